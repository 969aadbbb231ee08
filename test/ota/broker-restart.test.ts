import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Change } from '../../src/update/update';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { codeOf, expiring, Lab, large, next, raw } from './lab';

/** The moment at which the broker is killed, by the changes that the exchange reports. */
const moments: Record<string, (change: Change) => boolean> = {
  waiting: ({ state }) => state === 'waiting',
  sending: ({ phase }) => phase === 'sending',
  accepted: ({ phase }) => phase === 'accepted',
  flashing: ({ phase }) => phase === 'flashing',
  rebooting: ({ phase }) => phase === 'rebooting',
  verifying: ({ phase }) => phase === 'verifying',
};

/** If the device was back before us, it may seem to have given no further sign, and a verdict may claim nothing. */
const claimNothing = ['CLOSED_AT_PUBLISH', 'UNCONFIRMED', 'STALLED'];

for (const persistence of [false, true]) {
  describeIf(mosquittoAvailable())(
    `a broker that is killed and comes back, ${persistence ? 'with' : 'without'} persistence`,
    () => {
      let mosquitto: Mosquitto;

      before(async () => {
        mosquitto = await startMosquitto({ persistence });
      });
      after(async () => mosquitto?.stop());

      for (const [moment, isMoment] of Object.entries(moments)) {
        it(`gives the right verdict when that happens while ${moment}, and sends nothing twice`, async () => {
          // Slow enough for each phase to last until the broker is killed.
          const lab = await Lab.open(mosquitto.url, { flashDelay: 10, bootDelay: 300, segment: 536 });
          try {
            const image = await raw(next);
            let restarted: Promise<void> | undefined;
            let transfers = 0;
            const { outcome } = await lab.bring(
              image,
              // Messages of the device may get lost while the broker is away.
              expiring,
              {
                onChange: (change) => {
                  if (change.phase === 'sending') transfers += 1;
                  if (restarted === undefined && isMoment(change)) {
                    restarted = mosquitto.kill().then(() => mosquitto.restart());
                  }
                },
              },
            );
            assert.notEqual(restarted, undefined, `the exchange never was ${moment}`);
            await restarted;

            const code = codeOf(outcome);
            const runsNew = lab.device.image.equals(image.image);
            assert.ok(['succeeded', 'LOST_IN_TRANSFER', ...claimNothing].includes(code), code);
            if (!claimNothing.includes(code)) {
              const what = `${code}, and the device runs the ${runsNew ? 'new' : 'old'} image`;
              assert.equal(code === 'succeeded', runsNew, what);
            }
            const delivered = lab.device.images.length;
            assert.ok(delivered <= transfers, `${delivered} images were delivered, ${transfers} were sent`);
            assert.ok(transfers <= 2, `${transfers} transfers`);
          } finally {
            await lab.close();
          }
        });
      }
    },
  );
}

describeIf(mosquittoAvailable())('a device that comes back before we do', () => {
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
      assert.equal(lab.device.images.length, 2);
      assert.equal(lab.isPending, false);
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
