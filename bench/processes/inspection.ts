/** A process that inspects an image. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { alternate } from '../arithmetic';
import { load } from '../package';
import { serve } from '../process';

const { Firmware, inspect, md5 } = load();

export interface Inspection {
  /** ms, of each round. */
  readonly ours: readonly number[];
  readonly md5: readonly number[];
  /** The same by node:crypto. */
  readonly native: readonly number[];
  /** The longest time for which the event loop was held, in ms. */
  readonly held: number;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

export const handlers = serve({
  inspect: async ({ file, rounds }: { file: string; rounds: number }): Promise<Inspection> => {
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
    return { ...results, held: Math.max(0, delays.max / 1e6 - 1) };
  },
});
