/** A process with simulated devices. */
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { SimulatedDevice } from '../../test/simulator/device';
import { NAME } from '../images';
import { now, serve } from '../process';

export interface FleetInput {
  readonly url: string;
  readonly count: number;
  /** Path of the image that they run. */
  readonly image: string;
  /** How long a reboot takes until the device connects, in ms. */
  readonly reboot: number;
}

let devices: SimulatedDevice[] = [];
/** Firmware messages that have come to their end since they were last counted. */
let transfers = 0;
let lastByteAt = 0;
let look = (): void => undefined;

export const handlers = serve({
  /** Switches them on: `bench-1`, `bench-2` … Resolves when all are ready. */
  start: async ({ url, count, image: file, reboot }: FleetInput): Promise<void> => {
    const image = await readFile(file);
    devices = Array.from(
      { length: count },
      (_, index) =>
        new SimulatedDevice({
          url,
          id: `${NAME}-${index + 1}`,
          image,
          bootDelay: reboot,
          uptime: 3600,
          // Nothing comes from devices that are not served.
          statsInterval: 900,
        }),
    );
    for (const device of devices) device.on('message', (topic) => note(topic));
    for (const device of devices) await device.start();
  },
  /** Begins to count. */
  count: (): void => {
    transfers = 0;
  },
  /** @returns when the last byte of the nth firmware since `count` had come, in ms of `now` */
  received: (wanted: number): Promise<number> => {
    return new Promise((resolve) => {
      look = () => {
        if (transfers >= wanted) resolve(lastByteAt);
      };
      look();
    });
  },
  /** Resolves when all of the first devices are ready and run the image of this MD5. */
  run: async ({ md5, count }: { md5: string; count: number }): Promise<void> => {
    for (const device of devices.slice(0, count)) {
      while (device.checksum !== md5 || device.phase !== 'ready') await once(device, 'ready');
    }
  },
  stop: async (): Promise<void> => {
    await Promise.all(devices.map((device) => device.stop()));
  },
});

function note(topic: string): void {
  if (!topic.includes('/$implementation/ota/firmware/')) return;
  transfers += 1;
  lastByteAt = now();
  look();
}
