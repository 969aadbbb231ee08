/** A process with simulated devices. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { SimulatedDevice } from '../../test/simulator/device';
import { now, serve } from '../process';

interface Fleet {
  readonly url: string;
  readonly ids: readonly string[];
  /** Path of the image that they run. */
  readonly image: string;
  /** ms from a reboot until the device connects. */
  readonly reboot: number;
  /** ms for each 4 KiB that a device writes to its flash. */
  readonly flashDelay?: number;
  /** ms for which a device is awake before it sleeps until `wake`. */
  readonly awake?: number;
}

let devices: SimulatedDevice[] = [];
/** Number of complete firmware messages since `count`. */
let transfers = 0;
let lastByteAt = 0;
let look = (): void => undefined;

export const tasks = serve({
  /** Switches the devices on, and waits until all are ready. */
  start: async ({ url, ids, image: file, reboot, flashDelay = 0, awake }: Fleet): Promise<void> => {
    const image = await readFile(file);
    // Statistics are rare, so that devices that are not being updated send nothing.
    const options = { url, image, bootDelay: reboot, uptime: 3600, statsInterval: 900, flashDelay };
    const sleep = awake === undefined ? {} : { sleep: { awake, asleep: Number.POSITIVE_INFINITY } };
    devices = ids.map((id) => new SimulatedDevice({ ...options, ...sleep, id }));
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
  /** Waits until all devices are asleep. */
  asleep: async (): Promise<void> => {
    for (const device of devices) while (device.phase !== 'asleep') await once(device, 'phase');
  },
  /**
   * Wakes the devices that do not run this image, one every `every` ms, until all run it.
   *
   * @returns how often each device had been woken when its image began to arrive
   */
  wake: async ({ md5, every }: { md5: string; every: number }): Promise<number[]> => {
    const wakes = devices.map(() => 0);
    const reached = devices.map(() => 0);
    for (const [index, device] of devices.entries()) {
      device.once('message', () => (reached[index] = wakes[index] ?? 0));
    }
    while (devices.some(({ checksum }) => checksum !== md5)) {
      for (const [index, device] of devices.entries()) {
        if (device.phase === 'asleep' && device.checksum !== md5) {
          wakes[index] = (wakes[index] ?? 0) + 1;
          void device.wake();
        }
        await setTimeout(every);
      }
    }
    return reached;
  },
});

function note(topic: string): void {
  if (!topic.includes('/$implementation/ota/firmware/')) return;
  transfers += 1;
  lastByteAt = now();
  look();
}
