import assert from 'node:assert/strict';
import { once } from 'node:events';
import { HomieError } from '../../src/errors';
import { DeviceLocks } from '../../src/homie/lock';
import { OtaJob } from '../../src/rollout/ota-job';
import type { Change, Outcome } from '../../src/update/update';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import { HANG_LIMIT } from '../support/limits';
import { codeOf, type Lab, large, next, patient, raw, running, sequential, withLab as withLabAt } from './lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { untilTrue } from '../support/until-true';

/** Counter for ids, with five digits so that the ids have 18 characters. */
let unfits = 10_000;

/** Bytes of the question whether an update was cut off. */
const QUESTION = 4096;

describeWithBrokers('while an update runs', (start) => {
  let broker: TestBroker;

  before(async () => {
    broker = await start();
  });
  after(() => broker.stop());

  const withLab = (options: Partial<DeviceOptions>, test: (lab: Lab) => Promise<void>): Promise<void> =>
    withLabAt(broker.url, options, test);

  it('reports progress that is exact at each 206, never falls, and stays at 95 percent until the end', () =>
    withLab({ flashDelay: 15 }, async (lab) => {
      const image = await raw(large);
      const { outcome, changes } = await lab.bring(image);
      assert.equal(outcome.state, 'succeeded');
      const progress = changes.flatMap((change) => change.progress ?? []);
      const flashed = progress.pop();
      assert.deepEqual(flashed, { written: large.length, estimated: false, percent: 97, remaining: 0 });
      const exact = progress.filter(({ estimated }) => !estimated);
      assert.equal(exact.length, 2, 'one 206 for every 100 segments of 1460 bytes');
      for (const { written, percent } of exact) {
        assert.ok(written > 0 && written < large.length);
        const shown = progress.slice(
          0,
          progress.findIndex((one) => one.written === written && !one.estimated),
        );
        const last = shown.at(-1)?.percent ?? 0;
        assert.equal(percent, Math.max(last, Math.round((written / large.length) * 1000) / 10), 'it never falls');
      }
      assert.ok(progress.some(({ estimated }) => estimated));
      progress.reduce((last, { percent }) => {
        assert.ok(percent >= last && percent <= 95);
        return percent;
      }, 0);
    }));

  it('goes through the phases in their order', () =>
    withLab({}, async (lab) => {
      const { changes } = await lab.bring(await raw(large));
      const phases = changes
        .flatMap(({ phase }) => phase ?? [])
        .filter((phase, index, all) => phase !== all[index - 1]);
      assert.deepEqual(phases, ['sending', 'accepted', 'flashing', 'rebooting', 'verifying']);
    }));

  it('is too late to cancel once the firmware is sent, and the device is watched on', () =>
    withLab({}, async (lab) => {
      const cancel = new AbortController();
      const onChange = ({ phase }: Change): void => {
        if (phase === 'sending') cancel.abort();
      };
      const { outcome } = await lab.bring(await raw(next), {}, { cancel: cancel.signal, onChange });
      assert.equal(outcome.state, 'succeeded');
    }));

  it('does not try again when it was canceled meanwhile', () =>
    withLab({ misbehavior: { dropAt: 30_000 } }, async (lab) => {
      const cancel = new AbortController();
      const onChange = ({ phase }: Change): void => {
        if (phase === 'sending') cancel.abort();
      };
      const { outcome } = await lab.bring(await raw(next), {}, { cancel: cancel.signal, onChange });
      assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
      assert.equal(lab.device.images.length, 1);
    }));

  it('keeps the device locked when it is watched no longer, until the device reconnects', () =>
    withLab({ flashDelay: 30 }, async (lab) => {
      const abandon = new AbortController();
      const onChange = ({ phase }: Change): void => {
        if (phase === 'accepted') abandon.abort();
      };
      const { outcome } = await lab.bring(await raw(next), {}, { abandon: abandon.signal, onChange });
      assert.equal(codeOf(outcome), 'ABANDONED');
      const { id } = lab.device;
      assert.throws(() => lab.broker.locks.acquire(id, 'next'), { code: 'REBOOT_PENDING' });
      await untilTrue(lab.broker.registry, 'event', () => !lab.broker.locks.isRebootPending(id));
      lab.broker.locks.acquire(id, 'next');
      lab.broker.locks.release(id, 'next');
    }));

  it('finds another updater at work by the size of its image', () =>
    withLab({ flashDelay: 5, misbehavior: { notIdle: true } }, async (lab) => {
      const { id } = lab.device;
      const other = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 350_000, seed: 4 });
      const topic = `homie/${id}/$implementation/ota/firmware/${(await raw(other)).info.md5}`;
      // Published between our last check of the device and our publish: the device receives the other image first.
      const onChange = ({ state }: Change): void => {
        if (state === 'running') void lab.broker.connection.publish(topic, other, { qos: 1, timeout: HANG_LIMIT });
      };
      const { outcome } = await lab.bring(await raw(large), {}, { onChange });
      assert.equal(outcome.state, 'failed');
      assert.equal(codeOf(outcome), 'ANOTHER_UPDATER');
      assert.equal(lab.broker.locks.isRebootPending(id), true);
    }));

  it('does not promise the new firmware when another image was sent after it to a busy device', () =>
    withLab({ statsInterval: 1, misbehavior: { notIdle: true } }, async (lab) => {
      const other = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 70_000, seed: 4 });
      const topic = `homie/${lab.device.id}/$implementation/ota/firmware/${(await raw(other)).info.md5}`;
      const onChange = ({ phase }: Change): void => {
        if (phase === 'rebooting') void lab.broker.connection.publish(topic, other, { qos: 1, timeout: HANG_LIMIT });
      };
      const { outcome } = await lab.bring(await raw(next), { reboot: 3000 }, { onChange });
      assert.equal(codeOf(outcome), 'NOT_REBOOTED');
      assert.match('error' in outcome ? outcome.error.message : '', /another image was sent to the device/);
      assert.doesNotMatch('error' in outcome ? outcome.error.hint : '', /new firmware starts/);
    }));

  it('does not take another device with the same id for the one that was sent the image', () =>
    withLab({ misbehavior: { neverBack: true } }, async (lab) => {
      const { id } = lab.device;
      let impostor: Promise<SimulatedDevice> | undefined;
      const replace = async (): Promise<SimulatedDevice> => {
        await untilTrue(lab.broker.registry, 'event', () => lab.broker.registry.get(id)?.state?.value === 'lost');
        const other = new SimulatedDevice({ url: broker.url, id, image: next, mac: '5C:CF:7F:00:00:99' });
        await other.start();
        return other;
      };
      const onChange = ({ phase }: Change): void => {
        if (phase === 'rebooting') impostor ??= replace();
      };
      const { outcome } = await lab.bring(await raw(next), {}, { onChange });
      await (await impostor)?.stop();
      assert.equal(codeOf(outcome), 'OTHER_DEVICE');
    }));

  it('sends nothing to another device that has taken the id since the job was given the device', () =>
    withLab({}, async (lab) => {
      const { id } = lab.device;
      await lab.lose();
      const brought = lab.bring(await raw(next));
      const other = new SimulatedDevice({
        url: broker.url,
        id,
        image: running,
        mac: '5C:CF:7F:00:00:99',
        uptime: 3600,
        statsInterval: 1,
      });
      await other.start();
      const { outcome } = await brought;
      await other.stop();
      assert.equal(codeOf(outcome), 'OTHER_DEVICE');
      assert.deepEqual(other.received, []);
    }));

  it('does not report a late success for another device with the same id', () =>
    withLab({ statsInterval: 1, misbehavior: { notIdle: true } }, async (lab) => {
      let late: Promise<Outcome | undefined> = Promise.reject(new Error('It is not watched'));
      late.catch(() => undefined);
      const watchOn = (promise: Promise<Outcome | undefined>): void => {
        late = promise;
      };
      const { outcome } = await lab.bring(await raw(next), { reboot: 1000 }, { watchOn });
      assert.equal(codeOf(outcome), 'NOT_REBOOTED');
      await lab.lose();
      const other = new SimulatedDevice({
        url: broker.url,
        id: lab.device.id,
        image: next,
        mac: '5C:CF:7F:00:00:99',
        statsInterval: 1,
      });
      try {
        await other.start();
        assert.equal(await late, undefined);
      } finally {
        await other.stop();
      }
    }));

  it('never retains the firmware', () =>
    withLab({}, async (lab) => {
      await lab.bring(await raw(next));
      // A reconnecting device receives retained messages.
      await lab.device.restart();
      assert.equal(lab.device.received.length, 1);
    }));

  /** Runs a test with a device whose updater is stuck. */
  const withStuckUpdater = (test: (lab: Lab) => Promise<void>): Promise<void> =>
    withLab({ id: 'stuck-updaterx' }, async (lab) => {
      // Base64 in the wrong phase leaves the updater stuck: the length of "homie/stuck-updaterx" is 0 modulo 4.
      const text = large.toString('base64');
      const topic = `homie/${lab.device.id}/$implementation/ota/firmware/${(await raw(large)).info.md5}`;
      const watch = lab.broker.watch(lab.device.id);
      await lab.broker.connection.publish(topic, text, { qos: 1, timeout: HANG_LIMIT });
      for (let status = ''; !status.startsWith('4');) {
        const event = await watch.next(Infinity);
        if (event?.attribute === 'otaStatus') status = event.value;
      }
      watch.close();
      await test(lab);
    });

  it('restarts a device whose updater is stuck, and then brings the image onto it', () =>
    withStuckUpdater(async (lab) => {
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(codeOf(outcome), 'succeeded');
      assert.ok(lab.device.image.equals(next));
      assert.deepEqual(lab.device.patches, ['{}']);
    }));

  it('does not restart a device whose updater is stuck when that is switched off', () =>
    withStuckUpdater(async (lab) => {
      const { outcome } = await lab.bring(await raw(next), { recoverReboot: false });
      assert.equal(codeOf(outcome), 'UPDATER_STUCK');
      assert.deepEqual(lab.device.patches, []);
    }));

  it('sends nothing more to a device whose updater is stuck and that does not restart', () =>
    withStuckUpdater(async (lab) => {
      const sent = lab.device.received.length;
      lab.device.misbehavior = { notIdle: true };
      const { outcome } = await lab.bring(await raw(next), { reboot: 300, ready: 300 });
      assert.equal(codeOf(outcome), 'UPDATER_STUCK');
      assert.deepEqual([lab.device.patches, lab.device.received.length - sent], [['{}'], 1]);
      assert.equal(lab.isPending, true);
      lab.device.setIdle(true);
      await untilTrue(lab.broker.registry, 'event', () => !lab.isPending);
    }));

  // Each row has a device whose segment size does not fit base64.
  const unfit: [what: string, image: Buffer, segment: number, code: string][] = [
    ['comes in the wrong phase', next, 1462, 'BAD_FIRMWARE'],
    // With an id of 18 characters, header and text have 5 * 1464 + 1 bytes, so that the last segment is a single "=".
    ['is never answered', Buffer.alloc(5420, 0xe9), 1464, 'STALLED'],
  ];
  for (const [what, bytes, segment, code] of unfit) {
    it(`never sends base64 again to a device where it ${what}`, () =>
      withLab({ segment, statsInterval: 1, id: `base64-fails-${(unfits += 1)}` }, async (lab) => {
        const image = await raw(bytes);
        const first = await lab.bring(image, { encoding: 'base64', stall: 1000 });
        assert.equal(codeOf(first.outcome), code);
        const again = await lab.bring(image, { encoding: 'base64' });
        assert.deepEqual([again.outcome.state, codeOf(again.outcome)], ['rejected', 'BASE64_FAILED_BEFORE']);
        assert.equal(lab.device.images.length, 1);
      }));
  }

  it('says so when a device comes back and does not become ready', () =>
    withLab({ misbehavior: { neverBack: true } }, async (lab) => {
      const topic = `homie/${lab.device.id}/$state`;
      lab.broker.registry.on('event', (_id, event) => {
        if (event.attribute !== 'state' || event.value !== 'lost') return;
        void lab.broker.connection.publish(topic, 'init', { qos: 1, timeout: HANG_LIMIT });
      });
      const { outcome } = await lab.bring(await raw(next), { ready: 300 });
      assert.equal(codeOf(outcome), 'NOT_READY');
    }));

  it('says so when a device comes back without its checksum', () =>
    withLab({ misbehavior: { neverBack: true } }, async (lab) => {
      const topic = `homie/${lab.device.id}/$state`;
      lab.broker.registry.on('event', (_id, event) => {
        if (event.attribute !== 'state' || event.value !== 'lost') return;
        for (const state of ['init', 'ready']) {
          void lab.broker.connection.publish(topic, state, { qos: 1, timeout: HANG_LIMIT });
        }
        const uptime = `homie/${lab.device.id}/$stats/uptime`;
        void lab.broker.connection.publish(uptime, '0', { qos: 1, timeout: HANG_LIMIT });
      });
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(codeOf(outcome), 'CHECKSUM_MISSING');
    }));

  /** Publishes `status` in place of the device as soon as the device has accepted the image. */
  const say = (lab: Lab, status: string) => {
    const topic = `homie/${lab.device.id}/$implementation/ota/status`;
    return ({ phase }: Change): void => {
      if (phase === 'accepted') void lab.broker.connection.publish(topic, status, { qos: 1, timeout: HANG_LIMIT });
    };
  };

  const answers: [status: string, code: string][] = [
    ['400 BAD_CHECKSUM 7 END', 'BAD_CHECKSUM'],
    ['400 RETAINED_FIRMWARE', 'RETAINED_FIRMWARE'],
    ['408 TIMEOUT', 'DEVICE_TIMEOUT'],
    ['500 INTERNAL_ERROR 12', 'INTERNAL_ERROR'],
    ['500 OUT_OF_MEMORY', 'DEVICE_OUT_OF_MEMORY'],
    ['503 UPDATE_BUSY', 'DEVICE_UPDATE_BUSY'],
    ['599 SOMETHING NEW', 'UNKNOWN_STATUS'],
    ['403', 'ota_disabled'],
  ];
  for (const [status, code] of answers) {
    it(`takes the answer "${status}" for ${code}, and keeps its text`, () =>
      withLab({ flashDelay: 50 }, async (lab) => {
        const { outcome } = await lab.bring(await raw(next), {}, { onChange: say(lab, status) });
        assert.equal(codeOf(outcome), code);
        if ('error' in outcome) assert.equal(outcome.error.status, status);
      }));
  }

  it('takes the answer "304" for up_to_date where the device runs the image with another flash mode', () =>
    withLab({ flashDelay: 50 }, async (lab) => {
      const patched = Buffer.from(running);
      patched[2] = (patched[2] ?? 0) ^ 1;
      const { outcome } = await lab.bring(await raw(patched), { force: true }, { onChange: say(lab, '304') });
      assert.equal(codeOf(outcome), 'up_to_date');
    }));

  it('does not take the answer to what somebody else has sent for its own', () =>
    withLab({}, async (lab) => {
      const { id } = lab.device;
      const topic = `homie/${id}/$implementation/ota/firmware/${(await raw(running)).info.md5}`;
      const onChange = ({ phase }: Change): void => {
        if (phase === 'sending') void lab.broker.connection.publish(topic, running, { qos: 1, timeout: HANG_LIMIT });
      };
      const { outcome } = await lab.bring(await raw(next), {}, { onChange });
      assert.equal(codeOf(outcome), 'succeeded');
      assert.ok(lab.device.image.equals(next));
    }));

  for (const status of ['304', '400 BAD_CHECKSUM']) {
    it(`finds that force is not supported when a forced reinstallation is answered "${status}"`, () =>
      withLab({ flashDelay: 50 }, async (lab) => {
        const { outcome } = await lab.bring(await raw(running), { force: true }, { onChange: say(lab, status) });
        assert.equal(codeOf(outcome), 'FORCE_NOT_SUPPORTED');
        assert.equal(lab.device.received.length, 1);
      }));
  }

  it('frees a device that somebody else left half dead, and then brings the image onto it', () =>
    withLab({ misbehavior: { dropAt: 30_000 } }, async (lab) => {
      await lab.cutOff(large);

      // A connection that is made later knows the device only from retained messages.
      const later = await lab.later();
      try {
        const { outcome } = await later.bring(await raw(next));
        assert.equal(codeOf(outcome), 'succeeded');
        assert.deepEqual(
          lab.device.received.map(({ total }) => total),
          [large.length, QUESTION, next.length],
        );
      } finally {
        await later.broker.close();
      }
    }));

  /** Runs a test with a device of which a retained status says that it is in the middle of an update. */
  const withRetained206 = (test: (lab: Lab, later: Lab) => Promise<void>): Promise<void> =>
    withLab({}, async (lab) => {
      const topic = `homie/${lab.device.id}/$implementation/ota/status`;
      await lab.broker.connection.publish(topic, '206 1000/2000', { qos: 1, retain: true, timeout: HANG_LIMIT });
      const later = await lab.later();
      try {
        await test(lab, later);
      } finally {
        await later.broker.close();
      }
    });

  it('asks nothing while nothing may be sent, and obeys a cancel meanwhile', () =>
    withRetained206(async ({ device }, { broker: use }) => {
      const unguard = DeviceLocks.guard(() => new HomieError('USER_DIR_IN_USE'));
      try {
        const job = new OtaJob(
          { broker: use, firmware: await raw(next), choice: { devices: [device.id] }, settings: patient },
          sequential,
        );
        const ended = job.run();
        // Long enough for several turns of the device.
        let changes = 0;
        await untilTrue(job, 'progress', () => (changes += 1) > 3);
        job.cancel();
        assert.equal((await ended).devices[0]?.state, 'canceled');
        assert.deepEqual(device.received, []);
      } finally {
        unguard();
      }
    }));

  it('asks nothing when it is canceled while the image is compared', () =>
    withRetained206(async ({ device }, later) => {
      const cancel = new AbortController();
      const image = await raw(next);
      const checksums = async (): Promise<ReadonlySet<string>> => {
        cancel.abort();
        return image.checksums();
      };
      const { outcome } = await later.bring({ ...image, checksums }, {}, { cancel: cancel.signal });
      assert.equal(outcome.state, 'canceled');
      assert.deepEqual(device.received, []);
    }));

  it('does not restart a device whose updater is stuck after a cancel', () =>
    withStuckUpdater(async (lab) => {
      const cancel = new AbortController();
      const onChange = ({ phase }: Change): void => {
        if (phase === 'sending') cancel.abort();
      };
      const { outcome } = await lab.bring(await raw(next), {}, { cancel: cancel.signal, onChange });
      assert.equal(codeOf(outcome), 'UPDATER_STUCK');
      assert.deepEqual(lab.device.patches, []);
    }));

  it('keeps off a device whose firmware answers that it is busy', () =>
    withLab({ misbehavior: { loseStatuses: (status) => status === '304' } }, async (lab) => {
      const topic = `homie/${lab.device.id}/$implementation/ota/status`;
      const { connection } = lab.broker;
      await connection.publish(topic, '206 1000/2000', { qos: 1, retain: true, timeout: HANG_LIMIT });
      lab.device.on(
        'message',
        () => void connection.publish(topic, '503 UPDATE_BUSY', { qos: 1, timeout: HANG_LIMIT }),
      );
      const later = await lab.later();
      try {
        const { outcome } = await later.bring(await raw(next));
        assert.deepEqual([outcome.state, codeOf(outcome)], ['rejected', 'ANOTHER_UPDATER']);
        assert.deepEqual(
          lab.device.received.map(({ total }) => total),
          [QUESTION],
        );
      } finally {
        await later.broker.close();
      }
    }));

  it('keeps off a device that somebody else is updating, known from what is retained only', () =>
    withLab({ flashDelay: 30 }, async (lab) => {
      const topic = `homie/${lab.device.id}/$implementation/ota/firmware/${(await raw(large)).info.md5}`;
      const begun = once(lab.device, 'status');
      await lab.broker.connection.publish(topic, large, { qos: 1, timeout: HANG_LIMIT });
      await begun;
      const later = await lab.later();
      try {
        const { outcome } = await later.bring(await raw(next));
        assert.equal(outcome.state, 'rejected');
        assert.equal(codeOf(outcome), 'ANOTHER_UPDATER');
        assert.deepEqual(
          lab.device.images.map(({ total }) => total),
          [large.length],
        );
      } finally {
        await later.broker.close();
      }
    }));
});
