import assert from 'node:assert/strict';
import type { Change } from '../../src/update/update';
import { codeOf, Lab } from '../ota/lab';
import { startAedes } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { bring } from './lab';

/** The moment at which the broker is killed, told by what the exchange reports. */
const moments: Record<string, (change: Change) => boolean> = {
  waiting: ({ state }) => state === 'waiting',
  sending: ({ phase }) => phase === 'sending',
  received: ({ phase }) => phase === 'received',
  rebooting: ({ phase }) => phase === 'rebooting',
  verifying: ({ phase }) => phase === 'verifying',
};

interface RestartableBroker {
  readonly url: string;
  /** Kills the broker and brings it back on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

async function mosquitto(persistence: boolean): Promise<RestartableBroker> {
  const broker = await startMosquitto({ persistence });
  return {
    url: broker.url,
    restart: async () => {
      await broker.kill();
      await broker.restart();
    },
    stop: () => broker.stop(),
  };
}

async function aedes(): Promise<RestartableBroker> {
  let broker = await startAedes();
  return {
    url: broker.url,
    restart: async () => {
      await broker.close();
      broker = await startAedes(broker.port);
    },
    stop: () => broker.close(),
  };
}

const brokers: Record<string, () => Promise<RestartableBroker>> = {
  'mosquitto without persistence': () => mosquitto(false),
  'mosquitto with persistence': () => mosquitto(true),
  aedes,
};

for (const [name, start] of Object.entries(brokers)) {
  describeIf(!name.startsWith('mosquitto') || mosquittoAvailable())(
    `a patch and a broker that is killed and comes back: ${name}`,
    () => {
      let broker: RestartableBroker;

      before(async () => {
        broker = await start();
      });
      after(() => broker?.stop());

      for (const [moment, isMoment] of Object.entries(moments)) {
        it(`has the right verdict when that happens while ${moment}, and delivers the patch once at most`, async () => {
          // It sends its statistics often enough to be recognized where its reboot was seen by nobody.
          const lab = await Lab.open(broker.url, { bootDelay: 300, statsInterval: 1 });
          const abandon = new AbortController();
          try {
            let restarted: Promise<void> | undefined;
            const { outcome, changes, late } = await bring(
              lab,
              { settings: { percentage: 7 } },
              { received: 2_000, reboot: 15_000 },
              {
                abandon: abandon.signal,
                onChange: (change) => {
                  if (restarted === undefined && isMoment(change)) restarted = broker.restart();
                },
              },
            );
            abandon.abort();
            await late;
            assert.notEqual(restarted, undefined, `the exchange never was ${moment}`);
            await restarted;

            const code = codeOf(outcome);
            const taken = lab.device.file.includes('"percentage":7');
            assert.equal(code, taken ? 'succeeded' : 'NOT_RECEIVED');
            assert.equal(changes.filter(({ phase }) => phase === 'sending').length, 1);
            assert.ok(lab.device.patches.length <= 1, `${lab.device.patches.length} patches were delivered`);
          } finally {
            await lab.close();
          }
        });
      }
    },
  );
}
