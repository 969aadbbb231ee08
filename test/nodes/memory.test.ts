import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { NodeMessage } from 'node-red';
import { Jobs } from '../../nodes/shared/jobs';
import { OtaActions } from '../../nodes/homie-ota/ota-actions';
import { Replies } from '../../nodes/shared/replies';
import { HomieBroker } from '../../src/homie/broker';
import { rolloutDefaults } from '../../src/rollout/settings';
import type { Job } from '../../src/rollout/job';
import { Queue } from '../../src/rollout/queue';
import { JobStore } from '../../src/rollout/store/job-store';
import { patient } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { collect } from '../support/garbage';
import { buildEsp8266Image, running } from '../support/images';

const SIZE = 400 * 1024;
const MESSAGES = 40;

/** Maximum bytes of images that ended jobs may hold, with room for the buffers of brokers and devices. */
const LIMIT = 12 * 1024 * 1024;

const bases = new Map<string, Buffer>();

/** Returns another image for each seed. */
function imageOf(seed: number, name = 'my-light'): Buffer {
  const base = bases.get(name) ?? buildEsp8266Image({ name, version: '1.1.0', size: SIZE, crc: false });
  bases.set(name, base);
  const image = Buffer.from(base);
  // The checksum is an XOR, which does not change if the same bits change twice.
  for (const offset of [0x2000, 0x2004]) image.writeUInt32LE((base.readUInt32LE(offset) ^ seed) >>> 0, offset);
  return image;
}

const plugImage = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', seed: 1 });

/** Returns the bytes of all Buffers, once garbage collection has brought them down to `least` or cannot free more. */
async function held(least: number): Promise<number> {
  for (let before = Infinity; ;) {
    await new Promise(setImmediate);
    collect();
    const { arrayBuffers } = process.memoryUsage();
    if (arrayBuffers <= least || arrayBuffers >= before) return arrayBuffers;
    before = arrayBuffers;
  }
}

/** The actions of a homie-ota node, a broker and a folder for jobs. */
class Node {
  static #count = 0;
  readonly actions: OtaActions;
  readonly results: NodeMessage[] = [];
  readonly #ends: (() => Promise<void>)[] = [];
  readonly #aedes: AedesBroker;
  readonly #baseTopic = `memory-${(Node.#count += 1)}/`;
  readonly #broker: HomieBroker;
  readonly folder: string;

  private constructor(aedes: AedesBroker, folder: string, node?: Node) {
    this.#aedes = aedes;
    this.folder = folder;
    if (node !== undefined) this.#baseTopic = node.#baseTopic;
    this.#broker = new HomieBroker({ url: aedes.url, protocolVersion: 'auto', baseTopic: this.#baseTopic });
    const store = new JobStore(folder, (error) => {
      throw error;
    });
    // If the store stayed open after its folder is deleted, it would refuse everything to later nodes.
    this.#ends.push(() => store.close());
    Queue.of(this.#broker).use(store);
    this.actions = new OtaActions(
      { ota: patient, rollout: { ...rolloutDefaults, canary: 0 }, devices: () => ({ devices: async () => ['lamp'] }) },
      {
        link: { broker: this.#broker },
        jobs: new Jobs(Queue.of(this.#broker), 'node', () => undefined),
        node: 'node',
        store,
        reply: () => this.replies(),
      },
    );
    this.#broker.start();
    this.actions.start();
  }

  static async open(): Promise<Node> {
    return new Node(await startAedes(), await mkdtemp(path.join(tmpdir(), 'memory-')));
  }

  /** Returns a node that continues the jobs of this one. */
  async restarted(): Promise<Node> {
    await this.#stop();
    return new Node(this.#aedes, this.folder, this);
  }

  get jobs(): Job[] {
    return Queue.of(this.#broker).jobs();
  }

  replies(): Replies {
    const send = ([result]: (NodeMessage | null)[]): void => {
      if (result) this.results.push(result);
    };
    return new Replies({ _msgid: '' }, (msg) => structuredClone(msg), send);
  }

  async send(msg: Record<string, unknown>): Promise<string | undefined> {
    const error = await this.actions.handle(msg, this.replies());
    return typeof error === 'object' ? error.code : undefined;
  }

  async device(options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> {
    const device = new SimulatedDevice({
      url: this.#aedes.url,
      baseTopic: this.#baseTopic,
      id: 'lamp',
      image: running,
      uptime: 3600,
      ...options,
    });
    this.#ends.push(() => device.stop());
    await device.start();
    await this.#broker.settled();
    return device;
  }

  async #stop(): Promise<void> {
    await this.actions.close(false);
    for (const end of this.#ends.toReversed()) await end();
    await this.#broker.close();
  }

  async close(): Promise<void> {
    await this.#stop();
    await this.#aedes.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

describe('the memory that jobs hold which have ended', () => {
  let node: Node;

  beforeEach(async () => {
    node = await Node.open();
  });
  afterEach(async () => {
    await node.close();
  });

  /** Sends messages one after the other, and asserts that the held bytes do not grow with their number. */
  async function bounded(messageOf: (index: number) => Record<string, unknown>, code: string): Promise<void> {
    const before = await held(0);
    for (let index = 0; index < MESSAGES; index += 1) assert.equal(await node.send(messageOf(index)), code);
    const grown = (await held(before + LIMIT)) - before;
    assert.ok(grown <= LIMIT, `${MESSAGES} messages hold ${(grown / 1024 / 1024).toFixed(0)} MiB`);
  }

  for (const persist of [true, false]) {
    const kept = persist ? 'written down' : 'not written down';

    it(`does not grow by the images of updates that timed out and are ${kept}`, () =>
      bounded((seed) => ({ payload: imageOf(seed), options: { expires: 0, persist } }), 'DEVICE_UNKNOWN'));

    it(`does not grow by copies of one image, ${kept}`, () =>
      bounded(() => ({ payload: imageOf(1), options: { expires: 0, persist } }), 'DEVICE_UNKNOWN'));

    it(`does not grow by the images of updates that were rejected and are ${kept}`, async () => {
      await node.device();
      await bounded((seed) => ({ payload: imageOf(seed, 'other'), options: { persist } }), 'WRONG_FIRMWARE');
    });

    it(`does not grow by the images of updates that failed and are ${kept}`, async () => {
      await node.device({ misbehavior: { failEraseAt: 0 } });
      await bounded((seed) => ({ payload: imageOf(seed), options: { persist } }), 'FLASH_ERROR');
    });
  }

  it('holds no image after a restart either', async () => {
    const before = await held(0);
    for (let seed = 0; seed < MESSAGES; seed += 1) await node.send({ payload: imageOf(seed), options: { expires: 0 } });
    node = await node.restarted();
    await node.send({ action: 'status' });
    assert.equal(node.jobs.length, MESSAGES);
    const grown = (await held(before + LIMIT)) - before;
    assert.ok(grown <= LIMIT, `${MESSAGES} jobs hold ${(grown / 1024 / 1024).toFixed(0)} MiB`);
  });

  for (const persist of [true, false]) {
    it(`lets an image be sent by retry that is ${persist ? 'written down' : 'not written down'}`, async () => {
      const plug = await node.device({ image: plugImage });
      assert.equal(await node.send({ payload: imageOf(1), options: { persist } }), 'WRONG_FIRMWARE');
      await held(0);
      await plug.stop();
      const device = await node.device();
      const retried = new Promise((resolve) => node.jobs[0]?.once('result', resolve));
      await node.send({ action: 'retry' });
      assert.equal(Reflect.get(Object(await retried), 'state'), 'succeeded');
      assert.equal(device.received.length, 1);
    });
  }

  it('says on retry that the image of an older update is gone where it is not written down', async () => {
    const plug = await node.device({ image: plugImage });
    for (let seed = 0; seed < MESSAGES; seed += 1) {
      const image = imageOf(seed, seed === 0 ? 'my-light' : `my-light-${seed}`);
      assert.equal(await node.send({ payload: image, options: { persist: false } }), 'WRONG_FIRMWARE');
    }
    await held(0);
    const [first] = node.jobs;
    assert.ok(first);
    await plug.stop();
    const device = await node.device();
    assert.deepEqual(first.retry(), ['lamp']);
    await once(first, 'idle');
    const [update] = first.devices;
    assert.equal(update?.state, 'rejected');
    assert.equal(update.error?.code, 'FIRMWARE_NOT_KEPT');
    assert.equal(device.received.length, 0);
  });

  it('remembers the last 200 jobs that have ended, and their files', async () => {
    const images = [0, 1].map((seed) => buildEsp8266Image({ size: 70_000, seed, crc: false }));
    for (let index = 0; index < 205; index += 1)
      await node.send({ payload: images[index % 2], options: { expires: 0 } });
    assert.equal(node.jobs.length, 200);
    const { folder } = node;
    node = await node.restarted();
    assert.equal((await readdir(path.join(folder, 'jobs'))).length, 200);
  });
});
