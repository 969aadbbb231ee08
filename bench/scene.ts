import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildEsp8266Image } from '../test/support/images';
import { startMosquitto, type Mosquitto } from '../test/support/mosquitto';
import { Participant } from './process';
import type { tasks as Devices } from './processes/devices';

/** Default size of an image in bytes. */
export const SIZE = 500_000;

/** An image in a file. */
export interface Image {
  readonly file: string;
  readonly md5: string;
}

type Send = (image: Image, devices: readonly string[]) => Promise<{ readonly publishedAt: number }>;

interface SceneOptions {
  readonly folder: string;
  /** Number of devices. */
  readonly count: number;
  /** Bytes of the images, a multiple of 16. */
  readonly size?: number;
  /** Duration of a reboot, in ms. */
  readonly reboot: number;
  /** Number of images that take turns. */
  readonly images?: number;
}

/** A mosquitto and devices, in separate processes, and images that take turns, so that no device is ever up to date. */
export class Scene {
  readonly url: string;
  readonly devices = new Participant<typeof Devices>('devices');
  /** Ids of the devices. */
  readonly ids: readonly string[];
  readonly #broker: Mosquitto;
  readonly #images: readonly Image[];
  #turns = 0;

  private constructor(broker: Mosquitto, count: number, images: readonly Image[]) {
    this.url = broker.url;
    this.ids = Array.from({ length: count }, (_, index) => `bench-${index + 1}`);
    this.#broker = broker;
    this.#images = images;
  }

  static async open({ folder, count, size = SIZE, reboot, images = 2 }: SceneOptions): Promise<Scene> {
    const files = await Promise.all(Array.from({ length: images }, (_, seed) => writeImage(folder, size, seed + 1)));
    // Otherwise, Nagle's algorithm and delayed acknowledgements of Linux delay some answers to a booting device by 40
    // ms. The recordings of real devices show 3 to 6 ms between advertisement and `ready`.
    const broker = await startMosquitto({ config: ['set_tcp_nodelay true'] });
    const scene = new Scene(broker, count, files);
    await scene.devices.ask('start', { url: scene.url, ids: scene.ids, image: scene.#image().file, reboot });
    return scene;
  }

  /** Returns an image that the devices do not run. */
  next(): Image {
    this.#turns += 1;
    return this.#image();
  }

  #image(): Image {
    const image = this.#images[this.#turns % this.#images.length];
    if (image === undefined) throw new Error('There is no image.');
    return image;
  }

  /**
   * Sends the next image to the first `count` devices, and waits until they run it.
   *
   * @param send sends the image; resolves with the time of the first publish, in ms of `now`
   * @returns ms from the first publish to the last byte at the last device
   */
  async update(count: number, send: Send): Promise<number> {
    const image = this.next();
    await this.devices.ask('count');
    const [{ publishedAt }, lastByteAt] = await Promise.all([
      send(image, this.ids.slice(0, count)),
      this.devices.ask('received', count),
    ]);
    await this.devices.ask('run', { md5: image.md5, count });
    return lastByteAt - publishedAt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.devices[Symbol.asyncDispose]();
    await this.#broker.stop();
  }
}

/**
 * Writes an image to a file. Images of the same firmware name have the same version, and differ only in their bytes.
 *
 * @param size bytes, a multiple of 16
 */
export async function writeImage(folder: string, size: number, seed: number, name = 'bench'): Promise<Image> {
  const image = buildEsp8266Image({ name, version: '1.0.0', size, seed });
  const file = path.join(folder, `${name}-${size}-${seed}.bin`);
  await writeFile(file, image);
  return { file, md5: createHash('md5').update(image).digest('hex') };
}
