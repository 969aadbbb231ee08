/** What the package reads: the retained messages of devices, and images. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { subscriptions } from '../../src/homie/topics';
import { buildEsp32Image, buildEsp8266Image } from '../../test/support/images';
import { startMosquitto } from '../../test/support/mosquitto';
import { Participant } from '../process';
import type { tasks as Client } from '../processes/client';
import type { tasks as Package } from '../processes/package';
import { alternate, median, ms, ratio, type Figure, type Measurement } from '../report';

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

const SIZE = 4 * 1024 * 1024;

/** Inspection of an image of 4 MiB. */
export const inspection: Figure = {
  number: 6,
  title: 'Inspection of 4 MiB',
  async measure({ quick, folder }) {
    const images = { ESP8266: buildEsp8266Image({ size: SIZE }), ESP32: buildEsp32Image({ size: SIZE }) };
    const measurements: Measurement[] = [];
    for (const [chip, image] of Object.entries(images)) {
      const file = path.join(folder, `${chip}.bin`);
      await writeFile(file, image);
      await using inspector = new Participant<typeof Package>('package');
      const { ours, md5, native, blocked } = await inspector.ask('inspect', { file, rounds: quick ? 3 : 15 });
      measurements.push(
        {
          what: `${chip}, against one MD5 of it as the package reckons it`,
          value: ratio(ours, md5),
          unit: 'x',
          limit: { atMost: 2 },
          note: `${ms(median(ours))} / ${ms(median(md5))}; by node:crypto ${ms(median(native))}`,
        },
        { what: `${chip}, event loop held at most`, value: blocked, unit: 'ms', limit: { atMost: 50 }, note: '' },
      );
    }
    return measurements;
  },
};
