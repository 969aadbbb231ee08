/** A process with the package: a connection, and jobs that are written down as those of a node are. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { defaultSettings } from '../../src/ota/settings';
import { defaultSettings as defaultRollout } from '../../src/rollout/settings';
import type { HomieBroker as Broker } from '../../src/homie/broker';
import type { JobFile } from '../../src/rollout/job-file';
import type { JobStore as Store } from '../../src/rollout/store';
import { Cost, type Costs } from '../cost';
import { NAME, type ImageFile } from '../images';
import { load } from '../package';
import { now, serve } from '../process';

export interface RolloutInput {
  readonly image: ImageFile;
  /** The first so many devices. */
  readonly count: number;
  readonly concurrency: number;
}

/** What came of a rollout. */
export interface Rollout {
  /** When the first image was published, in ms of `now`. */
  readonly publishedAt: number;
  readonly costs: Costs;
}

const { Firmware, HomieBroker, JobStore, OtaJob } = load();

let broker: Broker | undefined;
let store: Store | undefined;

export const handlers = serve({
  /** Connects. Resolves when what is retained has been received. @param folder for jobs */
  open: async ({ url, folder }: { url: string; folder: string }): Promise<void> => {
    broker = new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/' });
    store ??= new JobStore(path.join(folder, randomUUID()), (error) => {
      throw error;
    });
    await store.open();
    broker.start();
    await broker.settled();
  },
  /** Brings an image onto devices, as a node does with the payload of a message. */
  update: async ({ image, count, concurrency }: RolloutInput): Promise<Rollout> => {
    if (broker === undefined || store === undefined) throw new Error('There is no connection.');
    const devices = Array.from({ length: count }, (_, index) => `${NAME}-${index + 1}`);
    // Others have replaced it on the devices meanwhile.
    for (const device of devices) store.history.allowAgain(`${broker.locks.scope}${device}`, image.md5);
    const cost = new Cost();
    const firmware = await Firmware.from(await readFile(image.file));
    const choice = { devices };
    const rollout = { ...defaultRollout, concurrency, canary: 0 };
    let file: JobFile | undefined;
    const job = new OtaJob({ broker, firmware, choice, settings: defaultSettings, history: store.history }, rollout, {
      save: async (changed) => file?.save(changed),
    });
    const { scope } = broker.locks;
    const head = { node: 'bench', scope, firmware: image.md5, keep: rollout.keep, work: { choice } };
    file = store.begin(job.id, head, firmware.image);
    await file.save(job);
    let publishedAt = Number.NaN;
    job.on('progress', ({ phase }) => {
      // Told just before the call.
      if (phase === 'sending' && Number.isNaN(publishedAt)) publishedAt = now();
    });
    const { state, text } = await job.run();
    const costs = cost.end();
    await file.remove();
    if (state !== 'succeeded') throw new Error(text);
    return { publishedAt, costs };
  },
  close: async (): Promise<void> => {
    await broker?.close();
  },
});
