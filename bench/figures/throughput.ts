import { median, ratio } from '../arithmetic';
import type { Figure } from '../figure';
import { fleetRuns } from '../fleet';
import { speed } from '../text';

/** 200 devices and 500 kB for each, 50 at a time. */
export const throughput: Figure = {
  number: 3,
  title: 'Rollout to 200 devices',
  async measure(bench) {
    const { devices, size, ours, baseline } = await fleetRuns(bench);
    const rate = (times: readonly number[]): number => (devices * size) / (median(times) / 1000);
    return [
      {
        what: 'bytes a second, against a bare loop of mqtt.js',
        value: ratio(baseline, ours),
        unit: 'x',
        limit: { atLeast: 0.9 },
        note: `${speed(rate(ours))} / ${speed(rate(baseline))}`,
      },
    ];
  },
};
