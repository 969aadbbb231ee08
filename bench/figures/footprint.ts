import { median } from '../arithmetic';
import type { Figure } from '../figure';
import { fleetRuns } from '../fleet';
import { mebibytes } from '../text';

const MEBIBYTE = 1024 * 1024;

/** What the same rollout as in figure 3 costs the process. */
export const footprint: Figure = {
  number: 4,
  title: 'The same: memory and event loop',
  async measure(bench) {
    const { devices, size, costs } = await fleetRuns(bench);
    const memory = costs.flatMap((each) => each.memory ?? []);
    const limit = 3 * size + devices * 64 * 1024;
    const delays = costs.map(({ delay }) => delay);
    return [
      {
        what: 'peak of the resident memory above idle',
        value: memory.length === 0 ? undefined : median(memory) / MEBIBYTE,
        unit: 'MiB',
        limit: { atMost: limit / MEBIBYTE },
        note: memory.length === 0 ? 'only on Linux' : `of ${memory.map(mebibytes).join(', ')}`,
      },
      {
        what: 'delay of the event loop, 99 of 100',
        value: median(delays.map(({ p99 }) => p99)),
        unit: 'ms',
        limit: { atMost: 20 },
        note: '',
      },
      {
        what: 'delay of the event loop, longest',
        value: median(delays.map(({ longest }) => longest)),
        unit: 'ms',
        limit: { atMost: 50 },
        note: `the longest of all runs: ${Math.max(...delays.map(({ longest }) => longest)).toFixed(0)} ms`,
      },
    ];
  },
};
