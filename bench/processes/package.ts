/** A process with the package: a connection, and jobs that are stored on disk like those of a node. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { md5 } from '../../src/firmware/checksum';
import { Firmware } from '../../src/firmware/firmware';
import { inspect } from '../../src/firmware/inspect';
import { HomieBroker } from '../../src/homie/broker';
import { otaDefaults } from '../../src/ota/settings';
import type { Job } from '../../src/rollout/job';
import { otaWork, otaWorkAgain } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import type { Answer } from '../../src/rollout/request';
import { rolloutDefaults } from '../../src/rollout/settings';
import { JobStore } from '../../src/rollout/store/job-store';
import { usedHeap } from '../../test/support/garbage';
import { measureCost, NODE, now, serve, type Cost } from '../process';
import { alternate } from '../report';
import type { Image } from '../scene';

interface Rollout {
  readonly image: Image;
  /** Ids. */
  readonly devices: readonly string[];
  readonly concurrency: number;
}

let broker: HomieBroker;
/** The folder of the jobs. */
let jobs: string | undefined;
let store: JobStore | undefined;

export const tasks = serve({
  /**
   * Connects, and waits for the retained messages.
   *
   * @param folder in which to make the folder of the jobs
   * @returns the folder of the jobs
   */
  open: async ({ url, folder }: { url: string; folder: string }): Promise<string> => {
    broker = new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/' });
    jobs ??= await mkdtemp(path.join(folder, 'jobs-'));
    store ??= storeIn(jobs);
    Queue.of(broker).use(store);
    await store.open();
    broker.start();
    await broker.settled();
    return jobs;
  },
  /** Updates devices as a node does with the payload of a message. */
  update: async (rollout: Rollout): Promise<{ publishedAt: number; cost: Cost }> => {
    const end = measureCost();
    let publishedAt = Number.NaN;
    await rollOut(rollout, (job) =>
      job.on('progress', ({ phase }) => {
        // The event is emitted just before the call that publishes.
        if (phase === 'sending' && Number.isNaN(publishedAt)) publishedAt = now();
      }),
    );
    return { publishedAt, cost: end() };
  },
  /**
   * Updates devices that wake up now and then, while others are being updated, again and again.
   *
   * @param others rollouts that take turns until the sleeping devices have been updated
   * @returns ms from the arrival of `ready` to the hand-over of the image to the socket, for each image that was sent to a
   *   sleeping device
   */
  wakes: async ({ sleeping, others }: { sleeping: Rollout; others: readonly Rollout[] }): Promise<number[]> => {
    const readyAt = new Map<string, number>();
    broker.registry.on('event', (id, event) => {
      if (event.attribute === 'state' && event.value === 'ready' && event.live) readyAt.set(id, now());
    });
    const latencies: number[] = [];
    const over = new AbortController();
    const reached = rollOut(sleeping, (job) =>
      job.on('progress', ({ device, phase, progress }) => {
        // The event is emitted just before the first byte is handed to the socket.
        if (phase === 'sending' && progress === 0) latencies.push(now() - (readyAt.get(device) ?? Number.NaN));
      }),
    ).finally(() => over.abort());
    const turns = async (): Promise<void> => {
      for (let turn = 0; !over.signal.aborted; turn += 1) {
        const rollout = others[turn % others.length];
        if (rollout !== undefined) await rollOut(rollout);
      }
    };
    await Promise.all([reached, turns()]);
    return latencies;
  },
  /** Stores a job. Returns its id. @param isRun whether to run it to its end, however that is */
  store: async ({ isRun, ...rollout }: Rollout & { isRun: boolean }): Promise<string> => {
    const { job, run } = await ask(rollout);
    if (isRun) await run();
    return job.id;
  },
  /** Continues the jobs in a folder as a node does when it starts. Returns their number, and the ms until all run. */
  restart: async ({ folder }: { folder: string }): Promise<{ jobs: number; time: number }> => {
    broker = new HomieBroker({ url: 'mqtt://127.0.0.1', protocolVersion: 'auto', baseTopic: 'homie/' });
    const begunAt = now();
    store = storeIn(folder);
    Queue.of(broker).use(store);
    await store.open();
    let count = 0;
    await Queue.of(broker).restore(
      { node: NODE, store },
      {
        remake: (work, image) => otaWorkAgain(work, image, { broker, store }),
        goOn: ({ run }) => {
          count += 1;
          void run();
        },
        signal: new AbortController().signal,
      },
    );
    return { jobs: count, time: now() - begunAt };
  },
  close: (): Promise<void> => broker.close(),

  /**
   * Fills the registry. Returns ms from the connect call to the last message, and the heap of the registry in bytes.
   */
  receive: async ({ url, messages }: { url: string; messages: number }): Promise<{ time: number; heap: number }> => {
    const before = usedHeap();
    const begunAt = now();
    broker = new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/' });
    let left = messages;
    const received = new Promise<void>((resolve) => {
      broker.registry.on('event', () => {
        if ((left -= 1) === 0) resolve();
      });
    });
    broker.start();
    await received;
    const time = now() - begunAt;
    await broker.settled();
    const heap = usedHeap() - before;
    await broker.close();
    return { time, heap };
  },

  /** Inspects an image. Returns the ms of each round, and the longest ms for which the event loop was blocked. */
  inspect: async ({ file, rounds }: { file: string; rounds: number }) => {
    const image = await readFile(file);
    const contestants = {
      ours: () => timed(() => inspect(image)),
      md5: () => timed(() => md5(image)),
      native: () => timed(async () => createHash('md5').update(image).digest('hex')),
    };
    await alternate(1, contestants);
    const results = await alternate(rounds, contestants);
    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    for (let round = 0; round < rounds; round += 1) await Firmware.from(image);
    delays.disable();
    return { ...results, blocked: Math.max(0, delays.max / 1e6 - 1) };
  },
});

function storeIn(folder: string): JobStore {
  return new JobStore(folder, (error) => {
    throw error;
  });
}

/** Runs a job to its success. @param begun called before it starts */
async function rollOut(rollout: Rollout, begun: (job: Job) => unknown = () => undefined): Promise<void> {
  const { job, run } = await ask(rollout);
  begun(job);
  const { state, text } = await run();
  if (state !== 'succeeded') throw new Error(text);
}

/** Adds a job to the queue, and stores it. */
async function ask({ image, devices, concurrency }: Rollout): Promise<Answer> {
  if (store === undefined) throw new Error('There is no connection.');
  // The devices have run other images since the last update with this one.
  for (const device of devices) store.history.allowAgain(`${broker.locks.scope}${device}`, image.md5);
  const firmware = await Firmware.from(await readFile(image.file));
  const rollout = { ...rolloutDefaults, concurrency, canary: 0 };
  const wish = { choice: { devices }, settings: otaDefaults, rollout };
  const work = otaWork(firmware, wish, { broker, store });
  return Queue.of(broker).ask({ node: NODE, store }, work, {});
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
