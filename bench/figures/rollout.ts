import { startMosquitto } from '../../test/support/mosquitto';
import { Participant, type Cost } from '../process';
import type { tasks as Client } from '../processes/client';
import type { tasks as Devices } from '../processes/devices';
import type { tasks as Package } from '../processes/package';
import { alternate, median, ms, percentile, ratio, spread, type Bench, type Figure } from '../report';
import { Scene, SIZE, writeImage } from '../scene';

const MEBIBYTE = 1024 * 1024;

/** Throughput of a rollout of 500 kB to 200 devices, 50 at a time. */
export const throughput: Figure = {
  number: 3,
  title: 'Rollout to 200 devices',
  async measure(bench) {
    const { devices, isPinned, ours, waiting, flooding, costs } = await rollouts(bench);
    const cpu = ({ cpu: time }: Cost): number => time / devices;
    const [own, bare] = [median(costs.ours.map(cpu)), median(costs.waiting.map(cpu))];
    const speed = (times: readonly number[]): string =>
      `${((devices * SIZE) / (median(times) * 1000)).toFixed(1)} MB/s`;
    const against = (baseline: readonly number[]) =>
      ({
        value: ratio(baseline, ours),
        unit: 'x',
        note: `${speed(ours)} / ${speed(baseline)}`,
      }) as const;
    return [
      {
        what: 'CPU time a device, against a loop of mqtt.js with as many devices under way',
        value: own / bare,
        unit: 'x',
        limit: { atMost: 2 },
        note: `${ms(own)} / ${ms(bare)}`,
      },
      {
        what: 'bytes a second, against the same loop',
        ...against(waiting),
        // The devices of a home do not share a processor with the package.
        ...(isPinned && { limit: { atLeast: 0.9 } }),
      },
      { what: 'bytes a second, against a loop of mqtt.js that waits for the broker only', ...against(flooding) },
    ];
  },
};

/** Memory and event loop delay of the process in the same rollouts. */
export const footprint: Figure = {
  number: 4,
  title: 'The same: memory and event loop',
  async measure(bench) {
    const { devices, costs } = await rollouts(bench);
    const grown = (each: readonly Cost[]): number[] =>
      each.flatMap(({ memory }) => (memory === undefined ? [] : memory / MEBIBYTE));
    const [own, bare] = [grown(costs.ours), grown(costs.waiting)];
    const isKnown = own.length > 0 && bare.length > 0;
    const longest = costs.ours.map(({ delay }) => delay.longest);
    return [
      {
        what: 'peak of the resident memory above idle',
        value: isKnown ? median(own) : undefined,
        unit: 'MiB',
        ...(isKnown && { limit: { atMost: 1.3 * median(bare) + (devices * 64) / 1024 } }),
        note: isKnown
          ? `${[...own].map((each) => each.toFixed(1)).join(', ')} / ${median(bare).toFixed(1)} MiB`
          : 'only on Linux',
      },
      {
        what: 'delay of the event loop, 99 of 100',
        value: median(costs.ours.map(({ delay }) => delay.p99)),
        unit: 'ms',
        limit: { atMost: 20 },
        note: '',
      },
      {
        what: 'delay of the event loop, longest',
        value: median(longest),
        unit: 'ms',
        limit: { atMost: 50 },
        note: `the longest of all runs: ${Math.max(...longest).toFixed(0)} ms`,
      },
    ];
  },
};

/** Times from the first publish to the last byte at the last device, in ms. */
interface Rollouts {
  readonly devices: number;
  readonly ours: readonly number[];
  /** Times of a loop that updates as many devices in parallel. */
  readonly waiting: readonly number[];
  /** Times of a loop that has as many publishes in progress, and does not wait for the devices. */
  readonly flooding: readonly number[];
  /** What the processes needed for these. */
  readonly costs: Readonly<Record<'ours' | 'waiting', readonly Cost[]>>;
  /** Whether the devices run on a core of their own. */
  readonly isPinned: boolean;
}

const known = new WeakMap<Bench, Promise<Rollouts>>();

/** Measures the rollouts once for both figures. */
function rollouts(bench: Bench): Promise<Rollouts> {
  const result = known.get(bench) ?? measure(bench);
  known.set(bench, result);
  return result;
}

async function measure({ quick, folder }: Bench): Promise<Rollouts> {
  const [count, concurrency] = quick ? [20, 5] : [200, 50];
  await using scene = await Scene.open({ folder, count, reboot: 50 });
  const { url } = scene;
  const isPinned = scene.devices.pin();
  const costs: Record<'ours' | 'waiting', Cost[]> = { ours: [], waiting: [] };
  // A fresh process each time, because the first rollout of a process counts, with all memory that it allocates.
  const ours = async (): Promise<number> => {
    await using participant = new Participant<typeof Package>('package');
    await participant.ask('open', { url, folder });
    return await scene.update(count, async (image, devices) => {
      const done = await participant.ask('update', { image, devices, concurrency });
      costs.ours.push(done.cost);
      return done;
    });
  };
  const loop = (waits: boolean) => async (): Promise<number> => {
    await using client = new Participant<typeof Client>('client');
    await client.ask('open', { url });
    return await scene.update(count, async (image, devices) => {
      const done = await client.ask('publish', { image, devices, concurrency, waits });
      if (waits) costs.waiting.push(done.cost);
      return done;
    });
  };
  const times = await alternate(quick ? 1 : 5, { ours, waiting: loop(true), flooding: loop(false) });
  return { devices: count, ...times, costs, isPinned };
}

/** CPU time of a rollout to 10, 100 and 1,000 devices. */
export const growth: Figure = {
  number: 7,
  title: 'Growth with the devices of a rollout',
  async measure({ quick, folder }) {
    const [few, some, many] = quick ? [5, 10, 50] : [10, 100, 1000];
    // The images are small, so that the cost of a device is measured and not that of its image.
    await using scene = await Scene.open({ folder, count: many, size: 40_000, reboot: 5 });
    await using ours = new Participant<typeof Package>('package');
    await ours.ask('open', { url: scene.url, folder });
    /** Returns the CPU time for each device, in ms. */
    const rollOut = (count: number, times: number) => async (): Promise<number> => {
      let cpu = 0;
      for (let time = 0; time < times; time += 1) {
        await scene.update(count, async (image, devices) => {
          const done = await ours.ask('update', { image, devices, concurrency: 10 });
          cpu += done.cost.cpu;
          return done;
        });
      }
      return cpu / count / times;
    };
    // A single rollout to a few devices is too short to measure. The numbers are even, so that all devices end with the
    // same image.
    const contestants = { few: rollOut(few, 10), some: rollOut(some, 2), many: rollOut(many, 2) };
    await alternate(2, { few: contestants.few, some: contestants.some });
    const results = await alternate(quick ? 1 : 5, contestants);
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
  },
};

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
