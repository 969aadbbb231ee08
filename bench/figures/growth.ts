import { alternate, median, spread } from '../arithmetic';
import type { Figure } from '../figure';
import { Contestant } from '../process';
import type { handlers as Package } from '../processes/package';
import { Scene } from '../scene';
import { ms } from '../text';

/** Bytes: what is measured is what a device costs, not what its image costs. */
const SMALL = 40_000;

const CONCURRENCY = 10;

/** CPU time of a rollout to 10, 100 and 1,000 devices. */
export const growth: Figure = {
  number: 7,
  title: 'Growth with the devices of a rollout',
  async measure(bench) {
    const [few, some, many] = bench.quick ? [5, 10, 50] : [10, 100, 1000];
    const { folder } = bench;
    const scene = await Scene.open({ folder, count: many, size: SMALL, reboot: 5 });
    const ours = await Contestant.start<typeof Package>('package');
    try {
      await ours.ask('open', { url: scene.url, folder });
      /** @returns CPU time a device, in ms */
      const rollouts = (count: number, times: number) => async (): Promise<number> => {
        let cpu = 0;
        for (let time = 0; time < times; time += 1) {
          await scene.brings(count, async (image) => {
            const rollout = await ours.ask('update', { image, count, concurrency: CONCURRENCY });
            cpu += rollout.costs.cpu;
            return rollout.publishedAt;
          });
        }
        return cpu / count / times;
      };
      // One rollout to a few devices is too short to be measured. An even number: all devices run the same again.
      const contestants = { few: rollouts(few, 10), some: rollouts(some, 2), many: rollouts(many, 2) };
      await alternate(2, { few: contestants.few, some: contestants.some });
      const results = await alternate(bench.quick ? 1 : 5, contestants);
      const costs = [results.few, results.some, results.many].map(median);
      return [
        {
          what: `CPU time a device, ${few}, ${some} and ${many} devices, largest by smallest`,
          value: spread(costs),
          unit: 'x',
          limit: { atMost: 1.2 },
          note: costs.map(ms).join(', '),
        },
      ];
    } finally {
      await ours.stop();
      await scene.close();
    }
  },
};
