import { createHash } from 'node:crypto';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Misbehaviour } from './misbehaviour';
import type { SleepOptions } from './sleep';
import type { Settings } from './validation';

export interface DeviceOptions {
  /** Of the broker: `mqtt://` or `mqtts://`. */
  url: string;
  id: string;
  /** `$mac`, upper case with colons. Default: one that is derived from the id. */
  mac?: string;
  /** Default `homie/`. */
  baseTopic?: string;
  /** Generation of the Arduino core of the running image. Default 2. */
  core?: 2 | 3;
  /** Default `esp8266`. */
  implementation?: 'esp8266' | 'esp32';
  /** Generation of Homie, or that of each image. Default 3. */
  homie?: 2 | 3 | ((image: Buffer) => 2 | 3);
  /** The running image. */
  image: Buffer;
  /** The text of the config.json; or members that replace those that the other options make. */
  config?: object | string;
  /** The network takes any name and password. Default: only those that the device starts with. */
  anyNetwork?: boolean;
  /** The settings that the sketch declares. Default those of the recordings: `percentage` and `greeting`. */
  settings?: Settings;
  /** Bytes of a full TCP segment: 1460, or 536 with lwIP's variant for low memory. Default 1460. */
  segment?: number;
  /** Seconds. Default 60. */
  statsInterval?: number;
  /** Seconds that the device has been up at the start. */
  uptime?: number;
  /** Milliseconds from a boot to the first connection. Default 50. */
  bootDelay?: number;
  /** Milliseconds of the pause before the second attempt to connect; the others grow with it. Default 1000. */
  backoff?: number;
  /** Milliseconds for each 4 KiB that is written to the flash. */
  flashDelay?: number;
  /** Bytes that are free beside the running image. */
  freeSpace?: number;
  /** Bytes of the flash. Default 4 MiB. */
  chipSize?: number;
  /** `$name`. */
  name?: string;
  /** Seconds. Default 15, as in the firmware. A transfer may take some 2.7 times as long. */
  keepalive?: number;
  /**
   * AsyncMqttClient of the firmware. Default 0.8.2. With 0.9.0, an image that comes within `settling` of the `ready` is
   * taken in silence: its statuses wait behind the acknowledgements of the advertisement, which wait behind the image.
   */
  mqttClient?: '0.8.2' | '0.9.0';
  /** Milliseconds after each `ready` in which acknowledgements are outstanding, with AsyncMqttClient 0.9.0. Default 1400. */
  settling?: number;
  misbehaviour?: Misbehaviour;
  /** The sketch saves the battery: it lets the device sleep when it has been ready for a while. */
  sleep?: SleepOptions;
  username?: string;
  password?: string;
  tls?: TlsOptions;
}

/** The MAC of a device with these options: always the same for the same id, in a block that is Espressif's. */
export function macOf({ id, mac }: Pick<DeviceOptions, 'id' | 'mac'>): string {
  if (mac !== undefined) return mac;
  const digits = createHash('md5').update(id).digest('hex').slice(0, 6).toUpperCase();
  return `5C:CF:7F:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}`;
}

/** The text of the config.json of a device with these options. */
export function fileOf(options: DeviceOptions): string {
  if (typeof options.config === 'string') return options.config;
  return JSON.stringify({
    name: options.name ?? options.id,
    device_id: options.id,
    device_stats_interval: options.statsInterval ?? 60,
    wifi: { ssid: 'test', password: 'test' },
    mqtt: { host: '127.0.0.1', port: 1883, base_topic: options.baseTopic ?? 'homie/', auth: false },
    ota: { enabled: true },
    ...options.config,
  });
}
