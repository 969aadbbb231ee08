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
  /** ms from a reboot until the device connects. */
  readonly reboot: number;
}

let devices: SimulatedDevice[] = [];
/** Number of complete firmware messages since `count`. */
let transfers = 0;
let lastByteAt = 0;
let look = (): void => undefined;

export const tasks = serve({
  /** Switches the devices on, and waits until all are ready. */
  start: async ({ url, ids, image: file, reboot }: Fleet): Promise<void> => {
    const image = await readFile(file);
    // Statistics are rare, so that devices that are not being updated send nothing.
    const options = { url, image, bootDelay: reboot, uptime: 3600, statsInterval: 900 };
    devices = ids.map((id) => new SimulatedDevice({ ...options, id }));
    for (const device of devices) device.on('message', (topic) => note(topic));
    for (const device of devices) await device.start();
  },
  /** Restarts the count at zero. */
  count: (): void => {
    transfers = 0;
  },
  /** Returns the time at which the last byte of the nth image since `count` was received, in ms of `now`. */
  received: (wanted: number): Promise<number> =>
    new Promise((resolve) => {
      look = () => {
        if (transfers >= wanted) resolve(lastByteAt);
      };
      look();
    }),
  /** Waits until the first `count` devices are ready and run the image with this MD5. */
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
