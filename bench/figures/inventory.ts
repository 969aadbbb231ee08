import { startMosquitto } from '../../test/support/mosquitto';
import { alternate, median, ratio } from '../arithmetic';
import type { Figure } from '../figure';
import { Contestant } from '../process';
import type { handlers as Inventory } from '../processes/inventory';
import type { handlers as Retained } from '../processes/retained';
import { ms } from '../text';

/** What 10,000 devices have retained, into the registry. */
export const inventory: Figure = {
  number: 5,
  title: 'What 10,000 devices have retained',
  async measure(bench) {
    const devices = bench.quick ? 1000 : 10_000;
    const broker = await startMosquitto();
    try {
      const { url } = broker;
      const filling = await Contestant.start<typeof Retained>('retained');
      const messages = await filling.ask('fill', { url, devices });
      await filling.stop();
      const take = (by: 'registry' | 'counter') => async () => {
        const contestant = await Contestant.start<typeof Inventory>('inventory');
        try {
          return await contestant.ask(by, { url, messages });
        } finally {
          await contestant.stop();
        }
      };
      const results = await alternate(bench.quick ? 1 : 5, { ours: take('registry'), bare: take('counter') });
      const ours = results.ours.map(({ time }) => time);
      const bare = results.bare.map(({ time }) => time);
      const heap = median(results.ours.map((each) => each.heap)) / devices / 1024;
      return [
        {
          what: 'time, against a subscriber of mqtt.js that counts',
          value: ratio(ours, bare),
          unit: 'x',
          limit: { atMost: 1.3 },
          note: `${ms(median(ours))} / ${ms(median(bare))} for ${messages} messages`,
        },
        { what: 'heap a device', value: heap, unit: 'KiB', limit: { atMost: 4 }, note: '' },
      ];
    } finally {
      await broker.stop();
    }
  },
};
