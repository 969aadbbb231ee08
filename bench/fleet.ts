import { alternate } from './arithmetic';
import type { Bench } from './figure';
import { SIZE } from './images';
import { Contestant } from './process';
import type { handlers as Client } from './processes/client';
import type { handlers as Package } from './processes/package';
import { Scene } from './scene';
import type { Costs } from './cost';

/** 500 kB to each of many devices, several at once. */
export interface FleetRuns {
  readonly devices: number;
  /** Bytes of an image. */
  readonly size: number;
  /** From the first publish to the last byte of the last device, in ms. */
  readonly ours: readonly number[];
  /** By a loop that keeps as many devices under way, and by one that keeps as many publishes. */
  readonly waiting: readonly number[];
  readonly flooding: readonly number[];
  readonly costs: readonly Costs[];
}

interface Run {
  readonly time: number;
  readonly costs?: Costs;
}

const runs = new WeakMap<Bench, Promise<FleetRuns>>();

/** Two figures are of the same runs. */
export function fleetRuns(bench: Bench): Promise<FleetRuns> {
  const known = runs.get(bench) ?? run(bench);
  runs.set(bench, known);
  return known;
}

async function run(bench: Bench): Promise<FleetRuns> {
  const devices = bench.quick ? 20 : 200;
  const concurrency = bench.quick ? 5 : 50;
  const { folder } = bench;
  const scene = await Scene.open({ folder, count: devices, size: SIZE, reboot: 50 });
  try {
    const baseline = (waits: boolean) => async (): Promise<Run> => {
      const contestant = await Contestant.start<typeof Client>('client');
      try {
        await contestant.ask('open', { url: scene.url });
        const time = await scene.brings(devices, (image) =>
          contestant.ask('publish', { image, count: devices, concurrency, waits }),
        );
        return { time };
      } finally {
        await contestant.stop();
      }
    };
    const results = await alternate<'ours' | 'waiting' | 'flooding', Run>(bench.quick ? 1 : 5, {
      // A fresh process each time: the first rollout of a Node-RED is what counts, with all that grows in it.
      ours: async () => {
        const contestant = await Contestant.start<typeof Package>('package');
        try {
          await contestant.ask('open', { url: scene.url, folder });
          const costs: Costs[] = [];
          const time = await scene.brings(devices, async (image) => {
            const rollout = await contestant.ask('update', { image, count: devices, concurrency });
            costs.push(rollout.costs);
            return rollout.publishedAt;
          });
          return { time, ...(costs[0] && { costs: costs[0] }) };
        } finally {
          await contestant.stop();
        }
      },
      waiting: baseline(true),
      flooding: baseline(false),
    });
    return {
      devices,
      size: SIZE,
      ours: results.ours.map(({ time }) => time),
      waiting: results.waiting.map(({ time }) => time),
      flooding: results.flooding.map(({ time }) => time),
      costs: results.ours.flatMap(({ costs }) => costs ?? []),
    };
  } finally {
    await scene.close();
  }
}
