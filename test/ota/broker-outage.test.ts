import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Change } from '../../src/update/update';
import { startRestartableAedes } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { startProxy } from '../support/proxy';
import { Lab, codeOf, next, raw } from './lab';

/** A broker that can be killed and restarted. */
interface Fragile {
  readonly url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** ms. Too long for any test to pass by waiting for this deadline. */
const stall = 120_000;

/** Makes us reconnect long after the device. */
const slow = { reconnect: { min: 4_000, max: 4_000 } };

/** Takes the broker down for a duration in ms. */
async function takeDown(broker: Fragile, duration: number): Promise<void> {
  await broker.kill();
  await delay(duration);
  await broker.restart();
}

const brokers: Record<string, () => Promise<Fragile>> = {
  mosquitto: () => startMosquitto(),
  'mosquitto with persistence': () => startMosquitto({ persistence: true }),
  aedes: startRestartableAedes,
};

for (const [name, start] of Object.entries(brokers)) {
  describeIf(name === 'aedes' || mosquittoAvailable())(
    `a broker that is down for a moment in the middle of a transfer (${name})`,
    () => {
      /** Takes the broker down when the device accepts the image, for a duration in ms. */
      const outage = async (
        duration: number,
        attempts: number,
        test: (result: Awaited<ReturnType<Lab['bring']>>, lab: Lab) => void,
      ): Promise<void> => {
        const broker = await start();
        const lab = await Lab.open(broker.url, { flashDelay: 50, backoff: 50 }, slow);
        let isDown = false;
        const onChange = ({ phase }: Change): void => {
          if (phase !== 'accepted' || isDown) return;
          isDown = true;
          void takeDown(broker, duration);
        };
        try {
          test(await lab.bring(await raw(next), { stall, attempts }, { onChange }), lab);
        } finally {
          await lab.close();
          await broker.stop();
        }
      };

      for (const duration of [300, 1_000, 5_000]) {
        it(`updates the device with a second transfer after ${duration} ms, without waiting for the stall deadline`, () =>
          outage(duration, 2, ({ outcome, changes }, { device }) => {
            assert.equal(codeOf(outcome), 'succeeded');
            assert.equal(device.image.equals(next), true);
            assert.ok(device.images.length <= 2);
            assert.ok(changes.some(({ phase }) => phase === 'silent'));
          }));
      }

      it('names the connection to the broker as the cause when there is no second attempt', () =>
        outage(300, 1, ({ outcome }) => {
          assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
          assert.ok(outcome.state === 'failed');
          assert.match(outcome.error.message, /connection to the broker/);
          assert.doesNotMatch(outcome.error.hint, /Wi-Fi|power/);
        }));
    },
  );
}

describe('our own connection is cut in the middle of a transfer', () => {
  it('goes on with the transfer, since the device still receives', async function () {
    if (!mosquittoAvailable()) this.skip();
    const mosquitto = await startMosquitto();
    const proxy = await startProxy(mosquitto.port);
    const lab = await Lab.open(mosquitto.url, { flashDelay: 150 }, { url: `mqtt://127.0.0.1:${proxy.port}` });
    let isCut = false;
    const onChange = ({ phase }: Change): void => {
      if (phase !== 'accepted' || isCut) return;
      isCut = true;
      proxy.cut();
    };
    try {
      const { outcome } = await lab.bring(await raw(next), { stall }, { onChange });
      assert.equal(isCut, true);
      assert.equal(codeOf(outcome), 'succeeded');
      assert.equal(lab.device.images.length, 1);
    } finally {
      await lab.close();
      await proxy.close();
      await mosquitto.stop();
    }
  });
});
