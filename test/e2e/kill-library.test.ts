import assert from 'node:assert/strict';
import { watch } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { md5 } from '../../src/firmware/checksum';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { buildEsp8266Image, next, running } from '../support/images';
import { linkedUserDir, startNodeRed, type NodeRed } from '../support/node-red';
import { random } from '../support/random';
import { askNodeRed, events, killedFlow } from './killed-flow';

/** KILLS=n kills n times in each of the two suites. The first moments of a seed are always the same. */
const kills = Number(process.env['KILLS'] ?? 5);

/** The default of the setting `attempts`. */
const ATTEMPTS = 2;

const seed = Number(process.env['SEED'] ?? 1);

const newest = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 60_000, seed: 3 });

describe(`Node-RED, when it is killed with firmware on offer (seed ${seed})`, () => {
  let broker: AedesBroker;
  let nodeRed: NodeRed;
  let userDir: string;
  let device: SimulatedDevice;

  before(async () => {
    broker = await startAedes();
    userDir = await linkedUserDir();
    await mkdir(path.join(userDir, 'homie-ota', 'firmware'), { recursive: true });
    await start();
  });
  after(async () => {
    await nodeRed.stop();
    await broker.close();
    await rm(userDir, { recursive: true, force: true });
  });
  afterEach(() => device.stop());

  const start = async (): Promise<void> => {
    nodeRed = await startNodeRed({ userDir, flows: killedFlow(broker.port, path.join(userDir, 'results.jsonl')) });
  };
  const add = async (id: string, image: Buffer): Promise<void> => {
    device = new SimulatedDevice({ url: broker.url, id, image, uptime: 3600, statsInterval: 1, flashDelay: 2 });
    await device.start();
  };
  const ask = (action: string, body?: Buffer): Promise<object> =>
    askNodeRed(nodeRed, { ids: [device.id], action, body }).then(Object);

  describe('and is being offered another image,', () => {
    const choices = random(seed);
    let onOffer = 0;

    for (let kill = 1; kill <= kills; kill += 1) {
      const moment = 1 + choices.int(8);
      it(`has one whole offer after a kill at change ${moment} of the files`, async () => {
        await add('offers', buildEsp8266Image({ name: 'offers', version: '1.0.0', seed: 99 }));
        const watching = new AbortController();
        const changed = changes(path.join(userDir, 'homie-ota'), moment, watching.signal);
        const image = buildEsp8266Image({ name: 'offers', version: `1.${kill}.0`, size: 400_000, seed: kill });
        const answer = ask('offer', image).then(
          (told) => 'offered' in told,
          () => false,
        );
        await Promise.race([changed, answer]);
        await nodeRed.kill();
        watching.abort();
        const isAnswered = await answer;
        await start();
        // Reads the image as a whole.
        const { devices: [found] = [] }: { devices?: object[] } = await ask('check');
        const { verdict, to, reason }: { verdict?: string; to?: { version: string }; reason?: string } = { ...found };
        const version = verdict === 'update' ? Number(to?.version.split('.')[1]) : 0;
        assert.ok(version > 0 || verdict === 'nothing_on_offer', `${verdict}: ${reason}`);
        assert.ok(version === kill || (!isAnswered && version === onOffer), `1.${version}.0 is on offer`);
        onOffer = version;
      });
    }
  });

  describe('and brings a device back to its earlier image,', () => {
    const choices = random(seed);
    for (let kill = 1; kill <= kills; kill += 1) {
      const moment = 1 + choices.int(30);
      it(`ends as verified or with a clear error after a kill at event ${moment} of the device`, async () => {
        await add(`back-${kill}`, running);
        for (const image of [next, newest]) {
          const { job }: { job?: string } = await ask('update', image);
          assert.equal((await ended(job)).state, 'succeeded');
        }
        await ask('offer', newest);
        const before = images();

        const due = events([device], moment);
        const { job }: { job?: string } = await ask('rollback');
        await due;
        await nodeRed.kill();
        await start();
        const { state, error } = await ended(job);
        if (state === 'succeeded') assert.equal(device.checksum, await md5(next));
        else assert.match(`${error?.message} ${error?.hint}`, /\w+.*\. \w+.*\./);
        assert.ok(images() - before <= ATTEMPTS, `${images() - before} images`);

        const sent = images();
        const held: { job?: string } = await ask('update');
        const { state: last, reason } = await ended(held.job);
        if (state === 'succeeded') assert.deepEqual([last, reason], ['skipped', 'held']);
        if (state === 'succeeded') assert.equal(images(), sent);
      });
    }
  });

  const images = (): number => device.images.length;

  /** Asks for the result of a job, whenever the device publishes something, until there is one. */
  async function ended(job: string | undefined): Promise<Result> {
    assert.ok(job !== undefined);
    for (;;) {
      const { entries = [] }: { entries?: readonly Result[] } = await ask('history');
      const result = entries.find((entry) => entry.job === job);
      if (result !== undefined) return result;
      await events([device], 1);
    }
  }
});

interface Result {
  readonly job: string;
  readonly state: string;
  readonly reason?: string;
  readonly error?: { readonly message: string; readonly hint: string };
}

/** Resolves after a number of changes of the files of the library. */
function changes(folder: string, count: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    const see = (_kind: string, name: string | null): void => {
      if (name?.startsWith('owner.') === true) return;
      seen += 1;
      if (seen >= count) resolve();
    };
    for (const each of [folder, path.join(folder, 'firmware')]) watch(each, { signal }, see);
  });
}
