import { EventEmitter } from 'node:events';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { SimulatedDevice } from './device';
import type { DeviceOptions } from './options';

interface FleetOptions extends Omit<DeviceOptions, 'id' | 'image' | 'config'> {
  count: number;
  /** `$fw/name`, and the prefix of each id. */
  firmware: string;
  /** `$fw/version`. */
  version: string;
}

/** Returns an image that the devices of a fleet could run. */
export function buildImage({
  firmware: name,
  version,
  implementation,
  dialect,
  convention,
}: Pick<FleetOptions, 'firmware' | 'version' | 'implementation' | 'dialect' | 'convention'>): Buffer {
  const build = implementation === 'esp32' ? buildEsp32Image : buildEsp8266Image;
  return build({ name, version, size: 300_000, ...(dialect && { dialect }), ...(convention && { convention }) });
}

/** Many devices that run the same firmware: `<firmware>-1`, `<firmware>-2` … */
export class Fleet extends EventEmitter<{ event: [id: string, text: string] }> {
  readonly devices: readonly SimulatedDevice[];

  constructor({ count, firmware: name, version, ...options }: FleetOptions) {
    super();
    const image = buildImage({ firmware: name, version, ...options });
    this.devices = Array.from({ length: count }, (_, i) => this.#device({ ...options, id: `${name}-${i + 1}`, image }));
  }

  /** Switches all devices on. They connect when the broker is available. */
  switchOn(): void {
    for (const device of this.devices) device.switchOn();
  }

  async stop(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.stop()));
  }

  #device(options: DeviceOptions): SimulatedDevice {
    const device = new SimulatedDevice(options);
    const tell = (text: string) => this.emit('event', device.id, text);
    device.on('boot', (checksum) => tell(`boots ${checksum}`));
    device.on('disconnected', (error) => tell(`is not connected${error ? `: ${error.message}` : ''}`));
    device.on('publish', (topic, payload) => {
      if (topic === '$state' || topic === '$online') tell(`${topic} ${payload}`);
      if (topic === 'light/on') tell(`${topic} ${payload}`);
    });
    device.on('status', (status) => tell(`OTA ${status}`));
    return device;
  }
}
