import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { SimulatedDevice } from '../simulator/device';
import { startMosquitto } from '../support/mosquitto';
import { image } from './images';
import type { Sample, SoakOrder } from './soak-worker';

const DEVICES = 10;

/** What the heap may grow by with each update, in bytes: what is measured goes up and down by some 50 kB, at times by 200. */
const ALLOWED = 512;

/**
 * Brings 500 updates onto devices from one process, and measures its heap after each hundred. Broker and devices are in
 * other processes.
 *
 * @returns whether it did not grow between 100 and 500 updates
 */
export async function soak(say: (line: string) => void): Promise<boolean> {
  const broker = await startMosquitto();
  const devices = Array.from(
    { length: DEVICES },
    (_none, index) =>
      new SimulatedDevice({
        url: broker.url,
        id: `soak-${index}`,
        image: image('running', 'esp8266', 40_000),
        uptime: 3600,
        bootDelay: 5,
      }),
  );
  await Promise.all(devices.map((device) => device.start()));
  // Code that is compiled as it gets hot would be counted, too.
  const execArgv = ['--expose-gc', '--no-opt', '--no-sparkplug', '--import', 'tsx'];
  const child = fork(path.join(__dirname, 'soak-worker.ts'), { execArgv });
  try {
    const samples: Sample[] = [];
    child.on('message', (sample: Sample) => {
      samples.push(sample);
      say(`${sample.updates} updates: ${Math.round(sample.heap / 1024)} KiB of heap, ${sample.succeeded} succeeded`);
    });
    const order: SoakOrder = { url: broker.url, devices: DEVICES };
    child.send(order);
    await once(child, 'exit');
    const growth = slope(samples.map(({ updates, heap }) => [updates, heap]));
    say(`${Math.round(growth)} bytes of heap an update, at most ${ALLOWED}`);
    const last = samples.at(-1);
    return samples.length === 5 && last?.succeeded === last?.updates && growth <= ALLOWED;
  } finally {
    child.kill();
    await Promise.all(devices.map((device) => device.stop()));
    await broker.stop();
  }
}

/** The median of the slopes between any two points (Theil and Sen): one that is far off does not count. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const slopes = points.flatMap(([x, y], index) => points.slice(index + 1).map(([px, py]) => (py - y) / (px - x)));
  slopes.sort((a, b) => a - b);
  const middle = slopes.length / 2;
  return ((slopes[Math.ceil(middle) - 1] ?? 0) + (slopes[Math.floor(middle)] ?? 0)) / 2;
}
