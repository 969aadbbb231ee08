import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { SimulatedDevice } from '../simulator/device';
import { startMosquitto } from '../support/mosquitto';
import { image } from './images';
import type { Sample, SoakOrder } from './soak-worker';

const DEVICES = 10;

/** Allowed growth of the heap for each update or change, in bytes. The measurement varies by about 50 kB, at times by 200 kB. */
const ALLOWED = 512;

/**
 * Runs 500 updates or configuration changes in one process, and measures its heap after each fifty. The broker is in
 * another process, the devices are in this one.
 *
 * @returns whether all succeeded and the heap grew by at most `ALLOWED` bytes for each
 */
export async function soak(brings: SoakOrder['brings'], say: (line: string) => void): Promise<boolean> {
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
  // Otherwise, code that is compiled when it gets hot would be counted as well.
  const execArgv = ['--expose-gc', '--no-opt', '--no-sparkplug', '--import', 'tsx'];
  const child = fork(path.join(__dirname, 'soak-worker.ts'), { execArgv });
  try {
    const samples: Sample[] = [];
    child.on('message', (sample: Sample) => {
      samples.push(sample);
      say(`${sample.succeeded} of ${sample.done} succeeded, ${Math.round(sample.heap / 1024)} KiB of heap`);
    });
    const order: SoakOrder = { url: broker.url, devices: DEVICES, brings };
    child.send(order);
    await once(child, 'exit');
    const growth = slope(samples.map(({ done, heap }) => [done, heap]));
    say(`${Math.round(growth)} bytes of heap for each, at most ${ALLOWED}`);
    const last = samples.at(-1);
    return samples.length === 10 && last?.succeeded === last?.done && growth <= ALLOWED;
  } finally {
    child.kill();
    await Promise.all(devices.map((device) => device.stop()));
    await broker.stop();
  }
}

/** Returns the median of the slopes between any two points (Theil–Sen), which ignores outliers. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const slopes = points.flatMap(([x, y], index) => points.slice(index + 1).map(([px, py]) => (py - y) / (px - x)));
  slopes.sort((a, b) => a - b);
  const middle = slopes.length / 2;
  return ((slopes[Math.ceil(middle) - 1] ?? 0) + (slopes[Math.floor(middle)] ?? 0)) / 2;
}
