import { subscriptions } from '../../src/homie/topics';
import { startMosquitto } from '../../test/support/mosquitto';
import { alternate, median, ratio } from '../arithmetic';
import { Participant } from '../process';
import type { tasks as Client } from '../processes/client';
import type { tasks as Package } from '../processes/package';
import { ms, type Figure } from '../report';

/** Receiving the retained messages of 10,000 devices into the registry. */
export const inventory: Figure = {
  number: 5,
  title: 'What 10,000 devices have retained',
  async measure({ quick }) {
    const devices = quick ? 1000 : 10_000;
    const broker = await startMosquitto();
    try {
      const { url } = broker;
      const client = async <T>(ask: (client: Participant<typeof Client>) => Promise<T>): Promise<T> => {
        await using process = new Participant<typeof Client>('client');
        return await ask(process);
      };
      const messages = await client((each) => each.ask('retain', { url, devices }));
      const filters = subscriptions('homie/');
      const heaps: number[] = [];
      const { ours, bare } = await alternate(quick ? 1 : 5, {
        ours: async () => {
          await using registry = new Participant<typeof Package>('package');
          const { time, heap } = await registry.ask('receive', { url, messages });
          heaps.push(heap / 1024 / devices);
          return time;
        },
        bare: () => client(async (each) => (await each.ask('receive', { url, messages, filters })).time),
      });
      return [
        {
          what: 'time, against a subscriber of mqtt.js that counts',
          value: ratio(ours, bare),
          unit: 'x',
          limit: { atMost: 1.3 },
          note: `${ms(median(ours))} / ${ms(median(bare))} for ${messages} messages`,
        },
        { what: 'heap a device', value: median(heaps), unit: 'KiB', limit: { atMost: 4 }, note: '' },
      ];
    } finally {
      await broker.stop();
    }
  },
};
