import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { HomieError } from '../../src/errors';
import { DeviceLocks } from '../../src/homie/lock';
import { OtaJob } from '../../src/rollout/ota-job';
import type { DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { startProxy, type Proxy } from '../support/proxy';
import { codeOf, expiring, Lab, large, next, patient, raw, running, sequential, withLab as withLabAt } from './lab';
import { isImage } from '../simulator/transfers';
import { untilTrue } from '../support/until-true';

/** Returns the number of images that reached the device. */
const images = ({ device }: Lab): number => device.received.filter(isImage).length;
const isPending = ({ broker, device }: Lab): boolean => broker.locks.isRebootPending(device.id);

/** Waits for the next live value of an attribute of the device. */
async function live(lab: Lab, attribute: string): Promise<unknown> {
  // Several events may arrive at once.
  for await (const [id, event] of on(lab.broker.registry, 'event')) {
    if (id === lab.device.id && event.attribute === attribute && event.live) return event.value;
  }
}

describe('a reboot that may be pending', () => {
  let server: AedesBroker;

  before(async () => {
    server = await startAedes();
  });
  after(() => server.close());

  const withLab = (options: Partial<DeviceOptions>, test: (lab: Lab) => Promise<void>): Promise<void> =>
    withLabAt(server.url, options, test);
  /** Runs a test with the device connected to the broker directly, and us through a proxy. */
  const withProxy = async (
    options: Partial<DeviceOptions>,
    test: (lab: Lab, proxy: Proxy) => Promise<void>,
    { pause = 20, keepalive = 60 } = {},
  ): Promise<void> => {
    const proxy = await startProxy(server.port);
    const reconnect = { min: pause, max: pause };
    const connection = { reconnect, keepalive };
    const lab = await Lab.open(`mqtt://127.0.0.1:${proxy.port}`, { url: server.url, ...options }, connection);
    try {
      await test(lab, proxy);
    } finally {
      await lab.close();
      await proxy.close();
    }
  };
  const busy = { notIdle: true };

  for (const noStatistics of [false, true]) {
    const what = `a busy device ${noStatistics ? 'without statistics' : ''}`.trimEnd();
    it(`keeps a second image away when the 200 was lost with the connection of ${what}`, () =>
      withLab({ misbehaviour: { ...busy, noStatistics, loseStatuses: (status) => status === '200' } }, async (lab) => {
        lab.device.once('status', function drop(status) {
          if (status === '200') setImmediate(() => lab.device.dropConnection());
          else lab.device.once('status', drop);
        });
        const { outcome } = await lab.bring(await raw(next), expiring);
        assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
        assert.equal(images(lab), 1);
        assert.equal(isPending(lab), true);
      }));
  }

  for (const noStatistics of [false, true]) {
    it(`succeeds where a device ${noStatistics ? 'without statistics ' : ''}boots the image while it is asked about it`, () =>
      withLab({ misbehaviour: { ...busy, noStatistics, dropBefore: '200' } }, async (lab) => {
        lab.device.on('status', (status) => {
          if (status === '304') lab.device.setIdle(true);
        });
        const { outcome } = await lab.bring(await raw(next));
        assert.equal(codeOf(outcome), 'succeeded');
        assert.ok(lab.device.image.equals(next));
        assert.equal(images(lab), 1);
        assert.equal(isPending(lab), false);
      }));
  }

  it('outlasts a mere reconnect, and ends with the reboot', () =>
    withLab({ statsInterval: 1, misbehaviour: busy }, async (lab) => {
      assert.equal(codeOf((await lab.bring(await raw(next), { reboot: 300 })).outcome), 'NOT_REBOOTED');
      const back = live(lab, 'uptime');
      lab.device.dropConnection();
      await back;
      await assert.rejects(lab.bring(await raw(large)), { code: 'REBOOT_PENDING' });

      lab.device.setIdle(true);
      await untilTrue(lab.broker.registry, 'event', () => !isPending(lab));
      assert.ok(lab.device.image.equals(next));
      assert.equal(images(lab), 1);
    }));

  it('is not taken for the old firmware when our own connection was lost and statistics are rare', () =>
    withProxy({ statsInterval: 600, misbehaviour: busy }, async (lab, proxy) => {
      const { outcome } = await lab.bring(
        await raw(next),
        { reboot: 800 },
        { onChange: ({ phase }) => phase === 'rebooting' && proxy.cut() },
      );
      assert.equal(codeOf(outcome), 'REBOOT_UNPROVEN');
      assert.equal(isPending(lab), true);
    }));

  it('is possible when the device was last seen to connect, before our own connection was lost', () =>
    withProxy({ statsInterval: 600, misbehaviour: busy }, async (lab, proxy) => {
      const stranger = await connectAsync(server.url);
      const connects = async (): Promise<void> => {
        await stranger.publishAsync(`homie/${lab.device.id}/$state`, 'init', { qos: 1, retain: true });
        proxy.cut();
      };
      const { outcome } = await lab.bring(
        await raw(next),
        { reboot: 800 },
        { onChange: ({ phase }) => phase === 'rebooting' && void connects() },
      );
      await stranger.endAsync();
      assert.equal(codeOf(outcome), 'REBOOT_UNPROVEN');
      assert.equal(isPending(lab), true);
    }));

  it('is not ruled out by a connection that tells nothing, and is not known to be lost yet', () =>
    withProxy(
      { statsInterval: 1, misbehaviour: busy },
      async (lab, proxy) => {
        const { outcome } = await lab.bring(
          await raw(next),
          { reboot: 6500 },
          {
            onChange: ({ phase }) => {
              if (phase !== 'rebooting') return;
              proxy.mute();
              lab.device.setIdle(true);
            },
          },
        );
        assert.deepEqual(outcome, { state: 'succeeded', reboot: 'proven' });
        assert.equal(isPending(lab), false);
      },
      { keepalive: 6 },
    ));

  it('is not taken for the old firmware when a device without statistics reconnects', () =>
    withLab({ misbehaviour: { ...busy, noStatistics: true } }, async (lab) => {
      const { outcome } = await lab.bring(
        await raw(next),
        { reboot: 800 },
        { onChange: ({ phase }) => phase === 'rebooting' && lab.device.dropConnection() },
      );
      assert.equal(codeOf(outcome), 'REBOOT_UNPROVEN');
      assert.equal(isPending(lab), true);
    }));

  it('is not taken for done when a device that has just booted reconnects and its uptime comes late', () =>
    withLab({ misbehaviour: { ...busy, noStatistics: true } }, async (lab) => {
      const stranger = await connectAsync(server.url);
      const say = (uptime: number) =>
        stranger.publishAsync(`homie/${lab.device.id}/$stats/uptime`, `${uptime}`, { qos: 1, retain: true });
      const up = live(lab, 'uptime');
      await say(1);
      await up;
      const reconnects = async (): Promise<void> => {
        lab.device.dropConnection();
        await once(lab.device, 'ready');
        await setTimeout(2_200);
        await say(2);
      };
      const { outcome } = await lab.bring(
        await raw(running),
        { force: true, reboot: 4_000 },
        { onChange: ({ phase }) => phase === 'rebooting' && void reconnects() },
      );
      await stranger.endAsync();
      assert.equal(codeOf(outcome), 'REBOOT_UNPROVEN');
      assert.equal(isPending(lab), true);
    }));

  it('is possible when all was lost while we were away', () =>
    withProxy({ statsInterval: 1, misbehaviour: busy }, async (lab, proxy) => {
      lab.device.on('status', (status) => status === '200' && proxy.cut());
      const { outcome } = await lab.bring(
        await raw(next),
        { ...expiring, accepted: 300 },
        { onChange: ({ phase }) => phase === 'sending' && proxy.mute() },
      );
      assert.equal(codeOf(outcome), 'CLOSED_AT_PUBLISH');
      await live(lab, 'uptime');
      assert.equal(isPending(lab), true);
    }));

  it('is possible when the 200 was lost, and the sketch is busy', () =>
    withLab(
      { statsInterval: 1, misbehaviour: { ...busy, loseStatuses: (status) => status === '200' } },
      async (lab) => {
        const { outcome } = await lab.bring(await raw(next), { stall: 2500 });
        assert.equal(codeOf(outcome), 'STALLED');
        await live(lab, 'uptime');
        assert.equal(isPending(lab), true);
      },
    ));

  it('is ruled out for a device that was lost in the middle while we were away, and it is sent the image once more', () =>
    withProxy({ misbehaviour: { dropAt: 30_000 } }, async (lab, proxy) => {
      lab.device.once('disconnected', () => lab.device.once('ready', () => proxy.cut()));
      const { outcome } = await lab.bring(
        await raw(next),
        { accepted: 1000 },
        { onChange: ({ phase, attempt }) => phase === 'sending' && attempt === 1 && proxy.mute() },
      );
      assert.deepEqual(outcome, { state: 'succeeded', reboot: 'proven' });
      assert.equal(images(lab), 2);
      assert.equal(isPending(lab), false);
    }));

  it('is ruled out for a half-dead device that is freed, also where its connection is lost once more', () =>
    withLab({ misbehaviour: { dropAt: 30_000 } }, async (lab) => {
      let lost = false;
      const loseStatuses = (status: string): boolean => {
        if (lost || !status.startsWith('500')) return false;
        lost = true;
        queueMicrotask(() => lab.device.dropConnection());
        return true;
      };
      lab.device.misbehaviour = { dropAt: 30_000, loseStatuses };
      const { outcome } = await lab.bring(await raw(next), { attempts: 1 });
      assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
      assert.equal(lost, true);
      assert.equal(lab.device.isUpdating, false);
      assert.equal(isPending(lab), false);
    }));

  it('is ruled out for a half-dead device that is freed, also where nothing may be sent for a moment', () =>
    withLab({ misbehaviour: { dropAt: 30_000 } }, async (lab) => {
      let refused = 0;
      const end = DeviceLocks.guard(() => {
        const isDue = lab.device.isUpdating && refused < 3;
        if (isDue) refused += 1;
        return isDue ? new HomieError('USER_DIR_IN_USE') : undefined;
      });
      try {
        const { outcome } = await lab.bring(await raw(next), { attempts: 1 });
        assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
        assert.equal(refused, 3);
        assert.equal(lab.device.isUpdating, false);
        assert.equal(isPending(lab), false);
      } finally {
        end();
      }
    }));

  it('is not taken for a failure of a forced reinstallation when our own connection was lost', () =>
    withProxy({ statsInterval: 1, misbehaviour: busy }, async (lab, proxy) => {
      const { outcome } = await lab.bring(
        await raw(running),
        { force: true },
        {
          onChange: ({ phase }) => {
            if (phase !== 'rebooting') return;
            proxy.cut();
            void live(lab, 'uptime').then(() => lab.device.setIdle(true));
          },
        },
      );
      assert.deepEqual(outcome, { state: 'succeeded', reboot: 'proven' });
    }));

  it('ends as never back when the device was lost while we were away', () =>
    withProxy(
      { misbehaviour: { neverBack: true } },
      async (lab, proxy) => {
        const { outcome } = await lab.bring(
          await raw(next),
          { reboot: 1200 },
          { onChange: ({ phase }) => phase === 'rebooting' && proxy.cut() },
        );
        assert.equal(codeOf(outcome), 'NOT_BACK');
      },
      { pause: 400 },
    ));

  it('ends with the next statistics when it was no longer watched just after the reboot', () =>
    withLab({ statsInterval: 1 }, async (lab) => {
      const abandon = new AbortController();
      const { outcome } = await lab.bring(
        await raw(next),
        {},
        { abandon: abandon.signal, onChange: ({ phase }) => phase === 'verifying' && abandon.abort() },
      );
      assert.equal(codeOf(outcome), 'ABANDONED');
      await untilTrue(lab.broker.registry, 'event', () => !isPending(lab));
      assert.ok(lab.device.image.equals(next));
    }));

  it('lets nothing of an image arrive after its deadline', () =>
    withProxy({ statsInterval: 1 }, async (lab, proxy) => {
      proxy.limit(8_000);
      // The exchange adds 1 s for each 20 kB to the deadline.
      const { outcome } = await lab.bring(await raw(large), { sending: 300 - large.length / 20, accepted: 300 });
      assert.equal(codeOf(outcome), 'PUBLISH_TIMEOUT');
      proxy.limit(Number.POSITIVE_INFINITY);
      await live(lab, 'uptime');
      assert.deepEqual(lab.device.received.filter(isImage), []);
    }));
});

describe('a cancel before anything is sent', () => {
  let server: AedesBroker;
  let lab: Lab;

  before(async () => {
    server = await startAedes();
    lab = await Lab.open(server.url);
  });
  after(async () => {
    await lab.close();
    await server.close();
  });

  it('is in time while it is decided', async () => {
    const image = await raw(next);
    const alternativeChecksums = (): Promise<ReadonlySet<string>> => {
      job.cancel();
      return image.alternativeChecksums();
    };
    const firmware = { ...image, alternativeChecksums };
    const job: OtaJob = new OtaJob(
      { broker: lab.broker, firmware, choice: { devices: [lab.device.id] }, settings: patient },
      sequential,
    );
    assert.equal((await job.run()).state, 'canceled');
    assert.deepEqual(lab.device.received, []);
  });

  it('is in time while the devices are looked for', async () => {
    const firmware = await raw(next);
    const job = new OtaJob(
      { broker: lab.broker, firmware, choice: { runningThisFirmware: true }, settings: patient },
      sequential,
    );
    const ended = job.run();
    job.cancel();
    assert.equal((await ended).state, 'canceled');
    assert.deepEqual(lab.device.received, []);
  });
});

describe('a device that comes back before we do', () => {
  before(function () {
    if (!mosquittoAvailable()) this.skip();
  });

  it('is not left half dead, and is sent the image once more', async () => {
    const mosquitto = await startMosquitto({ persistence: true });
    const slow = { reconnect: { min: 3000, max: 3000 } };
    const lab = await Lab.open(mosquitto.url, { flashDelay: 30, segment: 536 }, slow);
    try {
      let restarted: Promise<void> | undefined;
      const { outcome } = await lab.bring(
        await raw(large),
        { stall: 1500 },
        {
          onChange: ({ phase }) => {
            if (phase === 'flashing') restarted ??= mosquitto.kill().then(() => mosquitto.restart());
          },
        },
      );
      await restarted;
      assert.equal(codeOf(outcome), 'succeeded');
      assert.equal(images(lab), 2);
      assert.equal(isPending(lab), false);
      // A half-dead device would ignore the property.
      const answered = once(lab.device, 'publish');
      const topic = `homie/${lab.device.id}/light/on/set`;
      await lab.broker.connection.publish(topic, 'true', { qos: 1, timeout: 2000 });
      assert.equal((await answered)[0], 'light/on');
    } finally {
      await lab.close();
      await mosquitto.stop();
    }
  });

  it('and never had anything of the image leaves the broker as the cause, though it sends statistics', async () => {
    const mosquitto = await startMosquitto({ config: ['max_packet_size 20000'] });
    const lab = await Lab.open(mosquitto.url, { statsInterval: 1 }, { protocolVersion: 4 });
    try {
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(codeOf(outcome), 'CLOSED_AT_PUBLISH');
    } finally {
      await lab.close();
      await mosquitto.stop();
    }
  });
});
