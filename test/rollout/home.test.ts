import assert from 'node:assert/strict';
import { Firmware } from '../../src/firmware/firmware';
import { OtaJob } from '../../src/rollout/ota-job';
import type { RolloutSettings } from '../../src/rollout/settings';
import { patient, sequential } from '../ota/lab';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { describeIf } from '../support/describe-if';
import { buildEsp8266Image } from '../support/images';
import { mosquittoAvailable } from '../support/mosquitto';
import { random } from '../support/random';
import { Home } from './home';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const names = ['hall-light', 'garden-plug'] as const;

const image = (name: string, version: string): Buffer =>
  buildEsp8266Image({ name, version, size: version === '1.0.0' ? 20_000 : 40_000, seed: name.length });

/** Properties of a device, and how it must end: its state, and the reason. */
interface Role {
  readonly title: string;
  readonly count: number;
  readonly options?: Partial<DeviceOptions>;
  readonly end: string;
}

const roles: readonly Role[] = [
  { title: 'comes back with another image', count: 1, end: 'failed OTHER_FIRMWARE' },
  { title: 'never comes back', count: 1, options: { misbehavior: { neverBack: true } }, end: 'failed NOT_BACK' },
  { title: 'has a bad flash', count: 1, options: { misbehavior: { failWriteAt: 20_000 } }, end: 'failed FLASH_ERROR' },
  { title: 'sleeps', count: 10, end: 'succeeded' },
  { title: 'is offline', count: 5, end: 'timed_out DEVICE_OFFLINE' },
  { title: 'runs the image', count: 6, end: 'skipped up_to_date' },
  { title: 'takes no update', count: 4, options: { config: { ota: { enabled: false } } }, end: 'skipped ota_disabled' },
  { title: 'is excluded', count: 2, end: 'skipped excluded' },
  { title: 'is well', count: 170, end: 'succeeded' },
];

const settings: RolloutSettings = {
  ...sequential,
  concurrency: 10,
  canary: 3,
  soak: 3 * MINUTE,
  maxFailures: 4,
  expires: 6 * HOUR,
  exclude: ['*-alone'],
};
const ota = { ...patient, reboot: 5_000 };

/** What was seen at the devices with one firmware name. */
class Sighting {
  /** When each device started to receive an image, in ms of the clock. */
  readonly begun = new Map<string, number>();
  readonly #busy = new Set<string>();
  /** Maximum number of devices that received an image, or rebooted, at the same time. */
  most = 0;

  /** Notes when a device starts to receive an image, and when it is ready again, has refused the image, or is gone. */
  watch(device: SimulatedDevice, now: () => number): void {
    const idle = (): void => void this.#busy.delete(device.id);
    device.on('status', (status) => {
      if (/^[45]/.test(status)) idle();
      if (status !== '202') return;
      this.begun.set(device.id, now());
      this.#busy.add(device.id);
      this.most = Math.max(this.most, this.#busy.size);
    });
    device.on('publish', (topic, payload) => {
      if (topic === '$state' && payload === 'ready') idle();
    });
    device.on('phase', (phase) => {
      if (phase === 'off') idle();
    });
  }
}

describeIf(mosquittoAvailable())('a whole home', () => {
  let home: Home;
  const warnings: string[] = [];
  const warn = ({ message }: Error): void => void warnings.push(message);

  beforeEach(async () => {
    home = await Home.open();
    process.on('warning', warn);
  });
  afterEach(async () => {
    await home.close();
    process.off('warning', warn);
  });

  const rollout = async (name: string, changes: Partial<RolloutSettings> = {}): Promise<OtaJob> => {
    const firmware = await Firmware.from(image(name, '1.1.0'));
    const choice = { runningThisFirmware: true } as const;
    const input = { broker: home.broker, firmware, choice, settings: ota };
    const job = new OtaJob(input, { ...settings, ...changes }, { clock: home.clock });
    await home.begin(job);
    return job;
  };

  it('of 200 devices is brought up to date, whoever sleeps, is offline or fails', async () => {
    const draw = random(1);
    const sightings = new Map(names.map((name) => [name, new Sighting()]));
    const members = draw
      .shuffle(roles.flatMap((role) => Array.from({ length: role.count }, () => role)))
      .map((role, index) => {
        const name = draw.pick(names);
        return { ...role, name, id: `home-${index}${role.title === 'is excluded' ? '-alone' : ''}` };
      });
    assert.equal(members.length, 200);
    const arriving = members.map(async ({ id, name, title, options }) => {
      const comesBackWith = image(name, '0.5.0');
      const device = await home.add(id, {
        image: image(name, title === 'runs the image' ? '1.1.0' : '1.0.0'),
        ...(title === 'comes back with another image' ? { misbehavior: { comesBackWith } } : options),
      });
      sightings.get(name)?.watch(device, () => home.clock.now());
      if (title === 'is offline') await device.stop();
      if (title === 'sleeps') {
        home.lull(device, { awake: 3_000, asleep: MINUTE - 3_000 });
        // The devices do not all fall asleep at the same time.
        home.clock.at(draw.int(MINUTE), () => device.prepareToSleep());
      }
    });
    await Promise.all(arriving);
    await home.pass(2 * MINUTE);

    const begin = home.clock.now();
    const jobs = { 'hall-light': await rollout('hall-light'), 'garden-plug': await rollout('garden-plug') };
    const isOver = (): boolean => Object.values(jobs).every(({ isEnded }) => isEnded);
    let counted = 0;
    for (await home.inStep(); !isOver(); await home.inStep()) {
      if (home.results.length > counted) {
        // Each device takes a while to end, in which others fall asleep and wake.
        counted += 1;
        await home.clock.pass(2_000);
      } else if (home.running.length > 0) await home.change();
      else await home.clock.to(home.clock.next);
    }

    assert.deepEqual(warnings, []);
    assert.equal(home.results.length, 200, 'one result for each');
    for (const { id, title, end } of members) {
      const result = home.result(id);
      const { state, reason = '', error } = result ?? {};
      assert.equal([state, reason, error?.code].filter(Boolean).join(' '), end, `${id}, which ${title}`);
      const sent = state === 'succeeded' || state === 'failed' ? 1 : 0;
      // An image that arrives when a device has already announced sleep is cut off, and sent again when the device
      // wakes.
      if (title === 'sleeps') assert.equal(home.wholeImages(id), 1, `whole images for ${id}`);
      else assert.equal(home.images(id), sent, `images for ${id}`);
      if (title === 'is offline') assert.equal(result?.at, begin + settings.expires);
    }
    for (const name of names) {
      const own = members.filter((member) => member.name === name);
      for (const { id, end } of own) {
        if (end === 'succeeded') assert.ok(home.devices.get(id)?.image.equals(image(name, '1.1.0')), id);
      }
      const seen = sightings.get(name);
      assert.ok(seen);
      assert.ok(seen.most > 1 && seen.most <= settings.concurrency, `${seen.most} at once`);

      // A sleeping device does not prove its reboot.
      const steady = new Set(own.filter(({ title }) => title !== 'sleeps').map(({ id }) => id));
      const proofs = home.results.filter(({ device, state }) => steady.has(device) && state === 'succeeded');
      const last = proofs[settings.canary - 1];
      assert.ok(last);
      const early = [...seen.begun].filter(([id, at]) => steady.has(id) && at < last.at + settings.soak);
      const wrong = early.filter(([id]) => home.result(id)?.state === 'failed');
      assert.equal(early.length - wrong.length, settings.canary, `early: ${early.map(([id]) => id).join(', ')}`);

      const counts = Object.entries(jobs[name].summary().counts);
      for (const [state, count] of counts) {
        assert.equal(count, own.filter(({ end }) => end.split(' ')[0] === state).length, `${state} in the summary`);
      }
    }
  });

  it('is skipped when too many devices have failed, for as long as nobody says otherwise', async () => {
    const ids = Array.from({ length: 12 }, (_, index) => `stop-${index}`);
    for (const [index, id] of ids.entries()) {
      const misbehavior = index % 2 === 1 ? { failWriteAt: 20_000 } : {};
      await home.add(id, { image: image('hall-light', '1.0.0'), misbehavior });
    }
    const job = await rollout('hall-light', { concurrency: 2, canary: 0, maxFailures: 2 });
    const summary = await job.untilIdle();
    assert.equal(summary.state, 'stopped');
    assert.equal(summary.error?.code, 'ROLLOUT_STOPPED');
    await home.pass(72 * HOUR);

    const failed = home.results.filter(({ state }) => state === 'failed');
    assert.ok(failed.length === 2 || failed.length === 3, `${failed.length} have failed`);
    const sent = ids.filter((id) => home.images(id) > 0);
    assert.deepEqual(sent.sort(), home.results.map(({ device }) => device).sort());
    assert.ok(sent.length < ids.length);
    assert.equal(job.summary().state, 'stopped');
    assert.equal(job.isEnded, false);
  });
});
