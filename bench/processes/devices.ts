/** A process with simulated devices. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { SimulatedDevice } from '../../test/simulator/device';
import { now, serve } from '../process';

interface Fleet {
  readonly url: string;
  readonly ids: readonly string[];
  /** Path of the image that they run. */
  readonly image: string;
  /** How long a reboot takes until the device connects, in ms. */
  readonly reboot: number;
}

let devices: SimulatedDevice[] = [];
/** Firmware messages that were received whole since `count`. */
let transfers = 0;
let lastByteAt = 0;
let look = (): void => undefined;

export const tasks = serve({
  /** Switches the devices on. Resolves when all are ready. */
  start: async ({ url, ids, image: file, reboot }: Fleet): Promise<void> => {
    const image = await readFile(file);
    // They rarely send statistics: devices that are not being updated send nothing.
    const options = { url, image, bootDelay: reboot, uptime: 3600, statsInterval: 900 };
    devices = ids.map((id) => new SimulatedDevice({ ...options, id }));
    for (const device of devices) device.on('message', (topic) => note(topic));
    for (const device of devices) await device.start();
  },
  /** Counts from zero. */
  count: (): void => {
    transfers = 0;
  },
  /** Returns when the last byte of the nth firmware since `count` was received, in ms of `now`. */
  received: (wanted: number): Promise<number> =>
    new Promise((resolve) => {
      look = () => {
        if (transfers >= wanted) resolve(lastByteAt);
      };
      look();
    }),
  /** Resolves when the first `count` devices are ready and run the image with this MD5. */
  run: async ({ md5, count }: { md5: string; count: number }): Promise<void> => {
    for (const device of devices.slice(0, count)) {
      while (device.checksum !== md5 || device.phase !== 'ready') await once(device, 'ready');
    }
  },
});

function note(topic: string): void {
  if (!topic.includes('/$implementation/ota/firmware/')) return;
  transfers += 1;
  lastByteAt = now();
  look();
}
