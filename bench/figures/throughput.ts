import { median, ratio } from '../arithmetic';
import type { Figure } from '../figure';
import { fleetRuns } from '../fleet';
import { speed } from '../text';

/** 200 devices and 500 kB for each, 50 at a time. */
export const throughput: Figure = {
  number: 3,
  title: 'Rollout to 200 devices',
  async measure(bench) {
    const { devices, size, ours, waiting, flooding } = await fleetRuns(bench);
    const rate = (times: readonly number[]): number => (devices * size) / (median(times) / 1000);
    return [
      {
        what: 'bytes a second, against a loop of mqtt.js with as many devices under way',
        value: ratio(waiting, ours),
        unit: 'x',
        limit: { atLeast: 0.9 },
        note: `${speed(rate(ours))} / ${speed(rate(waiting))}`,
      },
      {
        what: 'bytes a second, against a loop of mqtt.js that waits for the broker only',
        value: ratio(flooding, ours),
        unit: 'x',
        limit: { atLeast: 0.9 },
        note: `${speed(rate(ours))} / ${speed(rate(flooding))}`,
      },
    ];
  },
};
