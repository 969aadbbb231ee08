import { startMosquitto } from '../../test/support/mosquitto';
import { median, percentile } from '../arithmetic';
import { Participant } from '../process';
import type { tasks as Devices } from '../processes/devices';
import type { tasks as Package } from '../processes/package';
import { ms, type Figure } from '../report';
import { SIZE, writeImage } from '../scene';

/** How long a device is awake, in ms. */
const AWAKE = 100;

/** Sleeping devices that wake for a moment, while others are being updated. */
export const wake: Figure = {
  number: 10,
  title: 'Devices that wake for 0.1 s',
  async measure({ quick, folder }) {
    const [sleepers, others] = quick ? [5, 5] : [200, 100];
    const images = await Promise.all([1, 2, 3].map((seed) => writeImage(folder, SIZE, seed)));
    const [first, second, third] = images;
    if (first === undefined || second === undefined || third === undefined) throw new Error('There is no image.');
    const sleeping = Array.from({ length: sleepers }, (_, index) => `sleeper-${index + 1}`);
    const awake = Array.from({ length: others }, (_, index) => `other-${index + 1}`);
    const broker = await startMosquitto({ config: ['set_tcp_nodelay true'] });
    try {
      await using fleet = new Participant<typeof Devices>('devices');
      await using battery = new Participant<typeof Devices>('devices');
      await using ours = new Participant<typeof Package>('package');
      const { url } = broker;
      const all = { url, image: first.file, reboot: 50 };
      // As slow as an ESP8266, so that all of them are being updated most of the time.
      await fleet.ask('start', { ...all, ids: awake, flashDelay: 40 });
      await battery.ask('start', { ...all, ids: sleeping, awake: AWAKE });
      await battery.ask('asleep');
      await ours.ask('open', { url, folder });
      const turns = [second, first].map((image) => ({ image, devices: awake, concurrency: others }));
      const latencies = ours.ask('wakes', {
        sleeping: { image: third, devices: sleeping, concurrency: sleepers },
        others: turns,
      });
      const wakes = await battery.ask('wake', { md5: third.md5, every: 20 });
      const times = await latencies;
      return [
        {
          what: 'from `ready` to the first byte of the image, median',
          value: median(times),
          unit: 'ms',
          limit: { atMost: 3 },
          note: `the longest: ${ms(Math.max(...times))}`,
        },
        { what: 'the same, 99 of 100', value: percentile(times, 99), unit: 'ms', limit: { atMost: 15 }, note: '' },
        {
          what: 'devices that are reached at their first wake',
          value: wakes.filter((count) => count === 1).length / sleepers,
          unit: 'x',
          limit: { atLeast: 1 },
          note: `${wakes.filter((count) => count === 1).length} of ${sleepers}`,
        },
      ];
    } finally {
      await broker.stop();
    }
  },
};
