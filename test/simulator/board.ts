import { createHash } from 'node:crypto';
import type { Identity } from './advertisement';
import { Configuration } from './configuration';
import { Esp32Updater } from './esp32-updater';
import { Flash, type FlashFaults, SECTOR } from './flash';
import { Homie, type World } from './homie';
import { type DeviceOptions, fileOf, macOf } from './options';
import { readMarks, sketchOf } from './sketch';
import { type Chip, Esp8266Updater } from './updater';

/** End of the sketch area in a flash of 4 MiB with a file system of 1 MiB. */
const END_OF_SKETCHES = 3 << 20;

/** What survives a reboot: the flash with the running and the staged image, and the configuration. */
export class Board implements Chip {
  readonly #options: DeviceOptions;
  readonly flash: Flash;
  readonly updateEnd: number;
  readonly chipSize: number;
  /** `$mac`. */
  readonly mac: string;
  /** The text of config.json. */
  file: string;
  #configuration: Configuration;
  /** The configuration that fits the network and the broker around the device. */
  readonly #home: Configuration;
  #image: Buffer;
  #checksum = '';
  #flashMode = 0;
  #flashConfig = 0;

  constructor(options: DeviceOptions, faults: () => FlashFaults) {
    this.#options = options;
    this.mac = macOf(options);
    this.file = fileOf(options);
    this.#configuration = this.#home = this.#read();
    this.flash = new Flash(faults);
    this.chipSize = options.chipSize ?? 4 << 20;
    this.#image = options.image;
    const sketch = Math.ceil(options.image.length / SECTOR);
    this.updateEnd =
      options.freeSpace === undefined ? END_OF_SKETCHES : (sketch + Math.floor(options.freeSpace / SECTOR)) * SECTOR;
    this.#run(options.image);
  }

  /** The configuration that this boot has read. */
  get configuration(): Configuration {
    return this.#configuration;
  }
  /** Whether the configuration has the right network, and the address of the broker. */
  get finds(): boolean {
    const { network, broker } = this.#configuration;
    const connects = this.#options.anyNetwork === true || network === this.#home.network;
    return connects && broker === this.#home.broker;
  }
  /** The running image, as it is in the flash. */
  get image(): Buffer {
    return this.#image;
  }
  /** MD5 that the device reports for the running image, lower case. */
  get checksum(): string {
    return this.#checksum;
  }
  get freeSpace(): number | undefined {
    return this.#options.freeSpace;
  }
  get sketchSize(): number {
    return this.#image.length;
  }
  /** `ESP.getFlashChipMode`: 0xFF for an unknown mode. */
  get flashMode(): number {
    return this.#flashMode > 3 ? 0xff : this.#flashMode;
  }
  get flashConfig(): number {
    return this.#flashConfig;
  }

  /** Boots the staged image, or the running one if none is staged. @param instead runs in place of a staged image */
  boot(world: World, instead?: Buffer): Homie {
    const staged = this.flash.takeStaged();
    if (staged) this.#run(instead ?? staged);
    this.#configuration = this.#read();
    const { implementation = 'esp8266', homie = 3, core = 2 } = this.#options;
    const identity: Identity = {
      configuration: this.#configuration,
      mac: this.mac,
      implementation,
      homie: typeof homie === 'function' ? homie(this.#image) : homie,
      firmware: { ...readMarks(this.#image), checksum: this.#checksum },
    };
    const updater = implementation === 'esp32' ? new Esp32Updater(this, core) : new Esp8266Updater(this, core);
    return new Homie(identity, updater, world);
  }

  #read(): Configuration {
    return new Configuration(this.file, this.#options.settings, this.mac);
  }

  /** Makes an image the running one. An image of less than four bytes leaves the other header bytes as they were. */
  #run(image: Buffer): void {
    this.#image = image;
    const sketch = this.#options.implementation === 'esp32' ? image : sketchOf(image);
    this.#checksum = createHash('md5').update(sketch).digest('hex');
    this.#flashMode = image[2] ?? this.#flashMode;
    this.#flashConfig = image[3] ?? this.#flashConfig;
  }
}
