import { createHash } from 'node:crypto';
import type { Identity } from './advertisement';
import { Configuration } from './configuration';
import { accepts, type Convention, type Dialect, DIALECTS, rootOf } from './dialects';
import { Esp32Updater } from './esp32-updater';
import { Flash, type FlashFaults, SECTOR } from './flash';
import { Homie, type World } from './homie';
import { type DeviceOptions, fileOf, macOf } from './options';
import { firmwareOf, readMarks, sketchOf } from './sketch';
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
  /** What the running image says of its firmware. */
  #firmware: ReturnType<typeof firmwareOf>;
  #checksum = '';
  #flashMode = 0;
  #flashConfig = 0;

  constructor(options: DeviceOptions, faults: () => FlashFaults) {
    this.#options = options;
    this.mac = macOf(options);
    this.file = fileOf(options);
    this.#image = options.image;
    this.#firmware = firmwareOf(options.image);
    this.#configuration = this.#home = this.#read();
    this.flash = new Flash(faults);
    this.chipSize = options.chipSize ?? 4 << 20;
    const sketch = Math.ceil(options.image.length / SECTOR);
    this.updateEnd =
      options.freeSpace === undefined ? END_OF_SKETCHES : (sketch + Math.floor(options.freeSpace / SECTOR)) * SECTOR;
    this.#run(options.image);
  }

  /** The configuration that this boot has read. */
  get configuration(): Configuration {
    return this.#configuration;
  }
  /** The firmware of the running image. */
  get dialect(): Dialect {
    const { convention, dialect = convention === 5 ? '4' : '3' } = this.#options;
    return DIALECTS[this.#firmware?.dialect ?? dialect];
  }
  get convention(): Convention {
    return this.#firmware?.convention ?? this.#options.convention ?? 3;
  }
  /** What stands before the id in each topic. */
  get root(): string {
    return rootOf(this.#configuration.baseTopic, this.convention);
  }
  /** Whether the firmware can start with its configuration. */
  get starts(): boolean {
    const { baseTopic, deviceId, loadable } = this.#configuration;
    if (!this.dialect.strictIds) return loadable;
    return loadable && accepts({ baseTopic, deviceId, firmware: readMarks(this.#image).name }, this.convention);
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
    const { convention, dialect } = this;
    const identity: Identity = {
      configuration: this.#configuration,
      mac: this.mac,
      implementation,
      homie: typeof homie === 'function' ? homie(this.#image) : homie,
      dialect,
      convention,
      firmware: { ...readMarks(this.#image), checksum: this.#checksum },
    };
    const updater = implementation === 'esp32' ? new Esp32Updater(this, core) : new Esp8266Updater(this, core);
    return new Homie(identity, updater, world, this.#options);
  }

  #read(): Configuration {
    return new Configuration(this.file, this.#options.settings, this.mac, this.dialect);
  }

  /** Makes an image the running one. An image of less than four bytes leaves the other header bytes as they were. */
  #run(image: Buffer): void {
    this.#image = image;
    this.#firmware = firmwareOf(image);
    const sketch = this.#options.implementation === 'esp32' ? image : sketchOf(image);
    this.#checksum = createHash('md5').update(sketch).digest('hex');
    this.#flashMode = image[2] ?? this.#flashMode;
    this.#flashConfig = image[3] ?? this.#flashConfig;
  }
}
