import assert from 'node:assert/strict';
import { Firmware } from '../../src/firmware/firmware';
import { divideByImage } from '../../src/rollout/by-image';
import { checkOta } from '../../src/rollout/ota-work';
import { rolloutDefaults } from '../../src/rollout/settings';
import { patient } from '../ota/lab';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable } from '../support/mosquitto';
import { Errands, image } from './errands';
import { Home } from './home';

const [old, first] = [image(1), image(2)];

describeIf(mosquittoAvailable())('an update', () => {
  let home: Home;
  let errands: Errands;
  let key: string;

  beforeEach(async () => {
    home = await Home.open();
    errands = new Errands(home);
    for (const id of ['lamp-1', 'lamp-2']) await home.add(id, { image: old });
    key = `${home.broker.locks.scope}lamp-1`;
  });
  afterEach(async () => {
    await errands.close();
    await home.close();
  });

  const exclude = (isExcluded = true): Promise<void> => errands.queue.library.exclude(key, isExcluded);

  for (const devices of [['lamp-*'], 'all'] as const) {
    it(`skips an excluded device of ${String(devices)}, also one that is offline`, async () => {
      await exclude();
      await home.devices.get('lamp-1')?.stop();
      await home.quiet();
      const { job } = await errands.ask(first, devices);
      await home.quiet();
      assert.deepEqual(errands.ends(job), ['lamp-1 skipped excluded', 'lamp-2 succeeded']);
    });
  }

  it('sends to an excluded device that it names by its full id', async () => {
    await exclude();
    const { job } = await errands.ask(first, ['lamp-*', 'lamp-1']);
    await home.quiet();
    assert.deepEqual(errands.ends(job), ['lamp-1 succeeded', 'lamp-2 succeeded']);
  });

  it('skips a device that is excluded while it waits for its turn', async () => {
    const { job } = await errands.ask(first, ['lamp-2', 'lamp-*']);
    // The first device takes at least as long as its reboot.
    await exclude();
    await home.quiet();
    assert.deepEqual(errands.ends(job), ['lamp-2 succeeded', 'lamp-1 skipped excluded']);
    assert.equal(home.images('lamp-1'), 0);
  });

  it('that stays open comes back to a device that is included again, but not to one that its settings exclude', async () => {
    await exclude();
    const rollout = { continuous: true, exclude: ['lamp-2'] };
    const { job } = await errands.ask(first, 'all', { rollout });
    await home.quiet();
    assert.deepEqual(errands.ends(job).sort(), ['lamp-1 skipped excluded', 'lamp-2 skipped excluded']);
    await exclude(false);
    for (const device of home.devices.values()) {
      await device.stop();
      await device.start();
    }
    await home.quiet();
    assert.deepEqual(errands.ends(job).slice(2), ['lamp-1 succeeded']);
    assert.equal(home.images('lamp-2'), 0);
  });

  it('of what is on offer tells by a check which devices are excluded', async () => {
    await exclude();
    const { broker } = home;
    const firmware = await Firmware.from(first);
    const { signal } = new AbortController();
    const verdicts = async (choice: Parameters<typeof checkOta>[1]['choice']): Promise<string[]> => {
      const wish = { choice, settings: patient, rollout: rolloutDefaults };
      const { devices } = await checkOta(firmware, wish, { broker }, signal);
      return devices.map(({ device, verdict }) => `${device} ${verdict}`);
    };
    assert.deepEqual(await verdicts({ devices: ['lamp-*'] }), ['lamp-1 excluded', 'lamp-2 update']);
    assert.deepEqual(await verdicts({ devices: ['lamp-1', 'lamp-2'] }), ['lamp-1 update', 'lamp-2 update']);
    assert.deepEqual(await verdicts({ devices: ['lamp-1', 'lamp-2'], together: true }), [
      'lamp-1 excluded',
      'lamp-2 update',
    ]);
  });

  it('without an image for an excluded device excludes it, and refuses it only if it is named', async () => {
    await exclude();
    const { broker } = home;
    const divide = async (devices: readonly string[]): Promise<string[]> => {
      const { without } = await divideByImage({
        broker,
        library: errands.queue.library,
        origin: 'previous',
        choice: { devices },
        exclude: [],
        continuous: false,
        signal: new AbortController().signal,
      });
      return without.map(({ device, outcome }) => `${device} ${outcome.state}`);
    };
    assert.deepEqual(await divide(['*']), ['lamp-1 skipped', 'lamp-2 rejected']);
    assert.deepEqual(await divide(['lamp-1']), ['lamp-1 rejected']);
  });
});
