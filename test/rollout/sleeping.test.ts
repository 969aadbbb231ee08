import assert from 'node:assert/strict';
import { readPatch } from '../../src/config/patch';
import type { Summary, Update } from '../../src/update/update';
import { ConfigJob } from '../../src/rollout/config-job';
import { patient as settings } from '../config/lab';
import { sequential } from '../ota/lab';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable } from '../support/mosquitto';
import { Errands, image } from './errands';
import { Home } from './home';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const [old, fresh] = [image(1), image(2)];

describeIf(mosquittoAvailable())('a rollout to devices that sleep', () => {
  let home: Home;
  let errands: Errands;
  let count = 0;

  beforeEach(async () => {
    home = await Home.open();
    errands = new Errands(home);
  });
  afterEach(async () => {
    await errands.close();
    await home.close();
  });

  const add = (options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> =>
    home.add(`sleep-${(count += 1)}`, { image: old, ...options });
  /** Options of a device whose update takes long enough for others to wake and to fall asleep. */
  const slow = { flashDelay: 150 };
  const asleep = async (): Promise<SimulatedDevice> => {
    const device = await add();
    device.prepareToSleep();
    await home.inStep();
    return device;
  };
  const ids = (...devices: readonly SimulatedDevice[]): string[] => devices.map(({ id }) => id);
  const ended = (): string[] => home.results.map(({ device, state }) => `${device} ${state}`);

  it('serves first what wakes', async () => {
    const [busy, patient, sleeper] = [await add(slow), await add(), await asleep()];
    await errands.ask(fresh, ids(busy, patient, sleeper));
    await home.inStep();
    await sleeper.wake();
    await home.quiet();
    assert.deepEqual(
      ended(),
      ids(busy, sleeper, patient).map((id) => `${id} succeeded`),
    );
  });

  it('sends to a device as soon as it wakes, and once', async () => {
    const sleeper = await add();
    home.lull(sleeper, { awake: 3_000, asleep: MINUTE - 3_000 });
    sleeper.prepareToSleep();
    await home.inStep();
    const { job } = await errands.ask(fresh, ids(sleeper));
    await home.pass(MINUTE - 3_001);
    assert.equal(home.images(sleeper.id), 0);
    await home.pass(1);
    assert.deepEqual(ended(), [`${sleeper.id} succeeded`]);
    assert.equal(home.images(sleeper.id), 1);
    assert.equal(job.isEnded, true);
  });

  it('leaves a device for its next wake when no place is free', async () => {
    const [busy, sleeper, patient] = [await add(slow), await asleep(), await add()];
    await errands.ask(fresh, ids(busy, sleeper, patient));
    await home.inStep();
    await sleeper.wake();
    await home.inStep();
    sleeper.prepareToSleep();
    await home.quiet();
    assert.deepEqual(
      ended(),
      ids(busy, patient).map((id) => `${id} succeeded`),
    );
    assert.equal(home.images(sleeper.id), 0);
    await home.pass(HOUR - 1);
    await sleeper.wake();
    await home.quiet();
    assert.equal(ended().at(-1), `${sleeper.id} succeeded`);
  });

  it('gives up a device that has not woken in time', async () => {
    const sleeper = await asleep();
    await errands.ask(fresh, ids(sleeper));
    await home.pass(HOUR - 1);
    assert.deepEqual(ended(), []);
    await home.pass(1);
    assert.deepEqual(ended(), [`${sleeper.id} timed_out`]);
    await sleeper.wake();
    await home.quiet();
    assert.equal(home.images(sleeper.id), 0);
  });

  it('lets a device finish its update although it is time to sleep', async () => {
    const sleeper = await add(slow);
    const { job } = await errands.ask(fresh, ids(sleeper));
    await home.inStep();
    sleeper.prepareToSleep();
    await home.quiet();
    assert.equal(job.devices[0]?.reboot, 'proven');
    assert.ok(sleeper.image.equals(fresh));
  });

  it('takes another canary for one that dozes off', async () => {
    const [sleeper, canary, other] = [await add(), await add(), await add()];
    await errands.ask(fresh, ids(sleeper, canary, other), { rollout: { canary: 1, soak: 10 * MINUTE } });
    await home.pass(5 * MINUTE);
    assert.deepEqual(ended(), [`${sleeper.id} succeeded`]);
    sleeper.prepareToSleep();
    await home.pass(10 * MINUTE - 1);
    assert.deepEqual(ended().slice(1), [`${canary.id} succeeded`]);
    await home.pass(1);
    assert.deepEqual(ended().slice(2), [`${other.id} succeeded`]);
  });

  it('takes for canaries devices that were there all the time, before those that wake', async () => {
    const bad = { ...slow, misbehavior: { failWriteAt: 20_000 } };
    const [first, sleeper, second] = [await add(bad), await asleep(), await add()];
    const rollout = { canary: 1, soak: 10 * MINUTE, maxFailures: 0 };
    await errands.ask(fresh, ids(first, sleeper, second), { rollout });
    await home.inStep();
    await sleeper.wake();
    await home.pass(9 * MINUTE);
    assert.deepEqual(ended(), [`${first.id} failed`, `${second.id} succeeded`]);
    await home.pass(MINUTE);
    assert.deepEqual(ended().slice(2), [`${sleeper.id} succeeded`]);
  });

  it('holds no slot for a device that sleeps before the image has come, and does not send it again and again', async () => {
    const [sleeper, other] = [await asleep(), await add()];
    const { job } = await errands.ask(fresh, ids(sleeper), { rollout: { maxFailures: 1 } });
    const drowse = ({ device, state, phase }: Update): void => {
      if (state !== 'running' || phase !== 'sending' || device !== sleeper.id) return;
      home.link.stall();
      sleeper.prepareToSleep();
    };
    sleeper.on('phase', (phase) => {
      if (phase === 'asleep') home.link.flow();
    });
    job.on('progress', drowse);
    for (let times = 1; times <= 2; times += 1) {
      await sleeper.wake();
      while (sleeper.phase !== 'asleep') await home.change();
      await home.quiet();
      assert.deepEqual(ended(), []);
    }
    job.off('progress', drowse);
    await errands.ask(fresh, ids(other));
    await home.quiet();
    assert.deepEqual(ended(), [`${other.id} succeeded`]);
    await sleeper.wake();
    await home.quiet();
    assert.deepEqual(errands.ends(job), [`${sleeper.id} skipped held`]);
    assert.equal(home.images(sleeper.id), 0);
  });

  describe('of a patch, which the device falls asleep over', () => {
    let sleeper: SimulatedDevice;
    let job: ConfigJob;
    let summary: Promise<Summary>;
    /** Whether the device falls asleep during the next patch. */
    let drowsy = true;

    /** Sends a patch. @param over whether the patch is held up until the device sleeps, or arrives and is lost there */
    const send = async (over: 'held up' | 'lost' = 'held up', given = settings): Promise<void> => {
      drowsy = true;
      sleeper = await add();
      const input = {
        broker: home.broker,
        patch: readPatch({ name: 'Hall' }),
        devices: ids(sleeper),
        settings: given,
      };
      job = new ConfigJob(input, { ...sequential, expires: HOUR }, { clock: home.clock });
      job.on('progress', ({ state, phase }) => {
        if (!drowsy || state !== 'running' || phase !== 'sending') return;
        if (over === 'held up') home.link.stall();
        else sleeper.misbehavior = { deaf: true };
        sleeper.prepareToSleep();
      });
      sleeper.on('phase', (phase) => {
        if (phase === 'asleep') home.link.flow();
      });
      ({ ended: summary } = await home.begin(job));
      await fallAsleep();
    };
    const fallAsleep = async (): Promise<void> => {
      while (sleeper.phase !== 'asleep') await home.change();
      await home.quiet();
    };
    const result = async (): Promise<Update | undefined> => (await summary).devices[0];

    for (const over of ['held up', 'lost'] as const) {
      it(`is sent again at the next wake where it was ${over}, as the configuration then shows`, async () => {
        await send(over);
        assert.deepEqual(home.results, []);
        assert.deepEqual([job.devices[0]?.state, home.broker.locks.isHeld(sleeper.id)], ['waiting', false]);
        drowsy = false;
        sleeper.misbehavior = {};
        await sleeper.wake();
        const update = await result();
        assert.deepEqual([update?.state, update?.attempt, update?.config?.taken], ['succeeded', 2, ['name']]);
        assert.deepEqual([sleeper.patches.length, JSON.parse(sleeper.file).name], [1, 'Hall']);
      });
    }

    it('is not sent again where the configuration then shows that the device took it', async () => {
      await send();
      sleeper.file = JSON.stringify({ ...JSON.parse(sleeper.file), name: 'Hall' });
      await sleeper.wake();
      const update = await result();
      assert.deepEqual([update?.state, update?.reboot, update?.attempt], ['succeeded', 'unproven', 1]);
      assert.deepEqual([update?.config?.taken, update?.config?.untaken], [['name'], []]);
      assert.equal(sleeper.patches.length, 0);
    });

    it('fails where the configuration then is neither the old nor the new one', async () => {
      await send();
      sleeper.file = JSON.stringify({ ...JSON.parse(sleeper.file), name: 'Attic' });
      await sleeper.wake();
      const update = await result();
      assert.deepEqual([update?.error?.code, update?.reboot], ['VALUE_LOST', 'unproven']);
      assert.equal(sleeper.patches.length, 0);
    });

    it('is sent three times at most', async () => {
      await send('held up', { ...settings, reboot: 1_000, received: 1_000 });
      for (let wakes = 1; wakes <= 2; wakes += 1) {
        await sleeper.wake();
        await fallAsleep();
      }
      const update = await result();
      assert.deepEqual([update?.error?.code, update?.attempt], ['NOT_RECEIVED', 3]);
    });

    it('is waited for no longer than `expires` says, and nothing is claimed then', async () => {
      await send();
      await home.pass(HOUR);
      const update = await result();
      assert.deepEqual([update?.state, update?.error?.code], ['timed_out', 'NOT_RECEIVED']);
      assert.match(String(update?.error?.message), /went to sleep without confirming/);
    });

    it('is reported as already sent when it is canceled', async () => {
      await send();
      assert.deepEqual(job.cancel(), { unsent: [], sent: ids(sleeper) });
      const update = await result();
      assert.deepEqual([update?.state, update?.reason], ['canceled', 'already_sent']);
      assert.equal(
        update?.hint,
        'The image or patch was sent before the cancellation, so it may still take effect on the device.',
      );
    });
  });
});
