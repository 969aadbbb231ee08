import { startMosquitto } from '../test/support/mosquitto';
import { writePair, type ImageFile, type Pair } from './images';
import { Contestant } from './process';
import type { handlers as Devices } from './processes/devices';

export interface SceneOptions {
  readonly folder: string;
  /** How many devices. */
  readonly count: number;
  /** Bytes of the images. */
  readonly size: number;
  /** ms. */
  readonly reboot: number;
}

/** A mosquitto and devices, in processes of their own, and two images that are brought onto the devices in turn. */
export class Scene {
  readonly url: string;
  readonly devices: Contestant<typeof Devices>;
  readonly #images: Pair;
  readonly #ends: (() => Promise<void>)[];
  #turns = 0;

  private constructor(url: string, devices: Contestant<typeof Devices>, images: Pair, ends: (() => Promise<void>)[]) {
    this.url = url;
    this.devices = devices;
    this.#images = images;
    this.#ends = ends;
  }

  static async open({ folder, count, size, reboot }: SceneOptions): Promise<Scene> {
    const images = await writePair(folder, size);
    // Else TCP holds back what it answers a device that boots, for 40 ms: Nagle's algorithm, and a Linux that acknowledges late.
    // Real devices were recorded with 3 to 6 ms between their advertisement and `ready`.
    const broker = await startMosquitto({ config: ['set_tcp_nodelay true'] });
    const devices = await Contestant.start<typeof Devices>('devices');
    const ends = [() => devices.stop(), () => broker.stop()];
    await devices.ask('start', { url: broker.url, count, image: images[0].file, reboot });
    return new Scene(broker.url, devices, images, ends);
  }

  /** What the devices do not run, to be brought onto them. */
  next(): ImageFile {
    this.#turns += 1;
    return this.#images[this.#turns % 2 === 0 ? 0 : 1];
  }

  /**
   * Waits until the image has come to the first so many devices, and they run it.
   *
   * @param send brings it onto them; resolves with when the first publish was called, in ms of `now`
   * @returns ms from there to the last byte of the last device
   */
  async brings(count: number, send: (image: ImageFile) => Promise<number>): Promise<number> {
    const image = this.next();
    await this.devices.ask('count');
    const [publishedAt, lastByteAt] = await Promise.all([send(image), this.devices.ask('received', count)]);
    await this.devices.ask('run', { md5: image.md5, count });
    return lastByteAt - publishedAt;
  }

  async close(): Promise<void> {
    for (const end of this.#ends) await end();
  }
}
