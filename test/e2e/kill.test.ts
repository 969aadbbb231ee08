import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { md5 } from '../../src/firmware/checksum';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { running, next } from '../support/images';
import { linkedUserDir, startNodeRed, type NodeRed } from '../support/node-red';
import { askNodeRed, events, killedFlow } from './killed-flow';

/** KILLS=n kills more often. The first moments of a seed are always the same. */
const kills = Number(process.env['KILLS'] ?? 12);
const DEVICES = 10;

const seed = Number(process.env['SEED'] ?? 1);

/** The next number from 0 to 1, always the same for a seed (mulberry32). */
function randomness(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe(`Node-RED, when it is killed in the middle of a rollout (seed ${seed})`, () => {
  const random = randomness(seed);
  let broker: AedesBroker;
  let nodeRed: NodeRed;
  let userDir: string;
  let results: string;
  let checksum: string;
  let devices: SimulatedDevice[] = [];

  before(async () => {
    broker = await startAedes();
    userDir = await linkedUserDir();
    results = path.join(userDir, 'results.jsonl');
    checksum = await md5(next);
    await start();
  });
  afterEach(async () => {
    await Promise.all(devices.map((device) => device.stop()));
  });
  after(async () => {
    await nodeRed.stop();
    await broker.close();
    await rm(userDir, { recursive: true, force: true });
  });

  const start = async (): Promise<void> => {
    nodeRed = await startNodeRed({ userDir, flows: killedFlow(broker.port, results) });
  };
  const ask = (ids: readonly string[], action: string, body?: Buffer): Promise<unknown> =>
    askNodeRed(nodeRed, { ids, action, body });

  for (let kill = 1; kill <= kills; kill += 1) {
    // A rollout of ten devices makes some 300 events of theirs.
    const moment = Math.ceil(random() * 250);
    it(`goes on after a kill at event ${moment} of the devices`, async () => {
      devices = Array.from({ length: DEVICES }, (_none, index) => {
        const id = `kill-${kill}-${index}`;
        return new SimulatedDevice({
          url: broker.url,
          id,
          image: running,
          uptime: 3600,
          statsInterval: 1,
          flashDelay: 2,
        });
      });
      await Promise.all(devices.map((device) => device.start()));
      const ids = devices.map(({ id }) => id);

      const due = events(devices, moment);
      // From the answer on, it may be counted on.
      await ask(ids, 'update', next);
      await due;
      await nodeRed.kill();
      const updated = Promise.all(devices.map(runs));
      await start();
      const [last] = await Promise.all([ended(ids), updated]);
      const lines = (await readFile(results, 'utf8')).trim().split('\n');
      const told = lines.map((line): { device: string } => JSON.parse(line)).map(({ device }) => device);
      for (const device of devices) {
        assert.equal(await md5(device.image), checksum);
        assert.equal(device.images.length, 1, `${device.id} was sent to once`);
        assert.ok(told.filter((id) => id === device.id).length <= 1, `${device.id} has one result`);
        assert.deepEqual(last[device.id], ['succeeded'], device.id);
      }
    });
  }

  /** Asks for the last results of devices, whenever one publishes something, until each has one. */
  async function ended(ids: readonly string[]): Promise<Record<string, string[]>> {
    for (;;) {
      const answer: unknown = await ask(ids, 'status');
      const { state, text }: { state: string; text: string } = Object(answer);
      assert.notEqual(state, 'stopped', `${text}\n${JSON.stringify(answer)}`);
      const { entries }: { entries: { device: string; state: string }[] } = Object(await ask(ids, 'history'));
      const statesOf = (id: string): string[] =>
        entries.filter(({ device }) => device === id).map(({ state: end }) => end);
      const last = Object.fromEntries(ids.map((id) => [id, statesOf(id)]));
      if (ids.every((id) => last[id]?.length)) return last;
      await events(devices, 1);
    }
  }
});

/** Resolves when a device runs the image. */
function runs(device: SimulatedDevice): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (device.image.equals(next)) resolve();
    };
    device.on('ready', look);
    look();
  });
}
