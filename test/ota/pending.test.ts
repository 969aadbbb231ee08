import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { HomieError } from '../../src/errors';
import { DeviceLocks } from '../../src/homie/lock';
import type { Change } from '../../src/update/update';
import type { DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { untilTrue } from '../support/until-true';
import { codeOf, expiring, type Lab, large, next, raw, running, withLab as withLabAt } from './lab';

describe('a reboot that may be pending', () => {
  let server: AedesBroker;

  before(async () => {
    server = await startAedes();
  });
  after(() => server.close());

  const withLab = (options: Partial<DeviceOptions>, test: (lab: Lab) => Promise<void>): Promise<void> =>
    withLabAt(server.url, options, test);
  const busy = { notIdle: true };

  for (const noStatistics of [false, true]) {
    const what = `a busy device ${noStatistics ? 'without statistics' : ''}`.trimEnd();
    it(`keeps a second image away when the 200 was lost with the connection of ${what}`, () =>
      withLab({ misbehavior: { ...busy, noStatistics, loseStatuses: (status) => status === '200' } }, async (lab) => {
        lab.device.once('status', function drop(status) {
          if (status === '200') setImmediate(() => lab.device.dropConnection());
          else lab.device.once('status', drop);
        });
        const { outcome } = await lab.bring(await raw(next), expiring);
        assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
        assert.equal(lab.device.images.length, 1);
        assert.equal(lab.isPending, true);
      }));
  }

  for (const noStatistics of [false, true]) {
    it(`succeeds where a device ${noStatistics ? 'without statistics ' : ''}boots the image while it is asked about it`, () =>
      withLab({ misbehavior: { ...busy, noStatistics, dropBefore: '200' } }, async (lab) => {
        lab.device.on('status', (status) => {
          if (status === '304') lab.device.setIdle(true);
        });
        const { outcome } = await lab.bring(await raw(next));
        assert.equal(codeOf(outcome), 'succeeded');
        assert.ok(lab.device.image.equals(next));
        assert.equal(lab.device.images.length, 1);
        assert.equal(lab.isPending, false);
      }));
  }

  it('is still pending after a forced reinstallation when the device reconnects and its statistics are late', () =>
    withLab({ statsInterval: 600, misbehavior: busy }, async (lab) => {
      const onChange = ({ phase }: Change): void => {
        if (phase !== 'rebooting') return;
        lab.device.misbehavior = { ...busy, loseFirstStatistics: true };
        lab.device.dropConnection();
      };
      const { outcome } = await lab.bring(await raw(running), { force: true, reboot: 800 }, { onChange });
      assert.equal(codeOf(outcome), 'REBOOT_UNPROVEN');
      assert.deepEqual([lab.device.hasToBoot, lab.isPending], [true, true]);
    }));

  it('is still pending after it has kept an image away just before it was sent', () =>
    withLab({}, async (lab) => {
      const onChange = ({ state }: Change): void => {
        if (state === 'running') void lab.broker.locks.expectReboot(lab.device.id, 'patch');
      };
      assert.equal(codeOf((await lab.bring(await raw(next), {}, { onChange })).outcome), 'REBOOT_PENDING');
      assert.deepEqual([lab.device.images.length, lab.isPending], [0, true]);
    }));

  it('outlasts a mere reconnect, and ends with the reboot', () =>
    withLab({ statsInterval: 1, misbehavior: busy }, async (lab) => {
      assert.equal(codeOf((await lab.bring(await raw(next), { reboot: 300 })).outcome), 'NOT_REBOOTED');
      const back = lab.live('uptime');
      lab.device.dropConnection();
      await back;
      await assert.rejects(lab.bring(await raw(large)), { code: 'REBOOT_PENDING' });

      lab.device.setIdle(true);
      await untilTrue(lab.broker.registry, 'event', () => !lab.isPending);
      assert.ok(lab.device.image.equals(next));
      assert.equal(lab.device.images.length, 1);
    }));

  it('is not taken for the old firmware when a device without statistics reconnects', () =>
    withLab({ misbehavior: { ...busy, noStatistics: true } }, async (lab) => {
      const { outcome } = await lab.bring(
        await raw(next),
        { reboot: 800 },
        { onChange: ({ phase }) => phase === 'rebooting' && lab.device.dropConnection() },
      );
      assert.equal(codeOf(outcome), 'REBOOT_UNPROVEN');
      assert.equal(lab.isPending, true);
    }));

  it('is not taken for done when a device that has just booted reconnects and its uptime comes late', () =>
    withLab({ misbehavior: { ...busy, noStatistics: true } }, async (lab) => {
      const stranger = await connectAsync(server.url);
      const say = (uptime: number) =>
        stranger.publishAsync(`homie/${lab.device.id}/$stats/uptime`, `${uptime}`, { qos: 1, retain: true });
      const up = lab.live('uptime');
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
      assert.equal(lab.isPending, true);
    }));

  it('is possible when the 200 was lost, and the sketch is busy', () =>
    withLab({ statsInterval: 1, misbehavior: { ...busy, loseStatuses: (status) => status === '200' } }, async (lab) => {
      const { outcome } = await lab.bring(await raw(next), { stall: 2500 });
      assert.equal(codeOf(outcome), 'STALLED');
      await lab.live('uptime');
      assert.equal(lab.isPending, true);
    }));

  it('is ruled out for a half-dead device that is freed, also where its connection is lost once more', () =>
    withLab({ misbehavior: { dropAt: 30_000 } }, async (lab) => {
      let lost = false;
      const loseStatuses = (status: string): boolean => {
        if (lost || !status.startsWith('500')) return false;
        lost = true;
        queueMicrotask(() => lab.device.dropConnection());
        return true;
      };
      lab.device.misbehavior = { dropAt: 30_000, loseStatuses };
      const { outcome } = await lab.bring(await raw(next), { attempts: 1 });
      assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
      assert.equal(lost, true);
      assert.equal(lab.device.isUpdating, false);
      assert.equal(lab.isPending, false);
    }));

  it('is ruled out for a half-dead device that is freed, also where nothing may be sent for a moment', () =>
    withLab({ misbehavior: { dropAt: 30_000 } }, async (lab) => {
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
        assert.equal(lab.isPending, false);
      } finally {
        end();
      }
    }));

  it('ends with the next statistics when it was no longer watched just after the reboot', () =>
    withLab({ statsInterval: 1, misbehavior: busy }, async (lab) => {
      const abandon = new AbortController();
      const onChange = ({ phase }: Change): void => {
        // Once the broker has acknowledged the image.
        if (phase === 'rebooting') void lab.broker.heard(abandon.signal).then(() => lab.device.setIdle(true));
        if (phase === 'verifying') abandon.abort();
      };
      const { outcome } = await lab.bring(await raw(next), {}, { abandon: abandon.signal, onChange });
      assert.equal(codeOf(outcome), 'ABANDONED');
      await untilTrue(lab.broker.registry, 'event', () => !lab.isPending);
      assert.ok(lab.device.image.equals(next));
    }));
});
