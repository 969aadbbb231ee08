import { createHash } from 'node:crypto';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Convention, DialectName } from './dialects';
import type { Misbehavior } from './misbehavior';
import type { SleepOptions } from './sleep';
import type { Settings } from './validation';

export interface DeviceOptions {
  /** URL of the broker: `mqtt://` or `mqtts://`. */
  url: string;
  id: string;
  /** `$mac`, upper case with colons. Default: derived from the id. */
  mac?: string;
  /** Default `homie/`. */
  baseTopic?: string;
  /** Generation of the Arduino core of the running image. Default 2. */
  core?: 2 | 3;
  /** Default `esp8266`. */
  implementation?: 'esp8266' | 'esp32';
  /** Generation of Homie, or a function that returns it for an image. Default 3. */
  homie?: 2 | 3 | ((image: Buffer) => 2 | 3);
  /**
   * Firmware of the images that do not say which one they hold: `3` is the original, `3.7` and `4` are versions of the
   * maintained fork. Default 3, or 4 for convention 5.
   */
  dialect?: DialectName;
  /** Convention of the images that do not say which firmware they hold. 5 only exists in the fork. Default 3. */
  convention?: Convention;
  /** The running image. */
  image: Buffer;
  /** Text of config.json, or members that replace the ones from the other options. */
  config?: object | string;
  /** Whether the network accepts any name and password. Default: only the ones that the device starts with. */
  anyNetwork?: boolean;
  /** The settings that the sketch declares. Default: `percentage` and `greeting`, as in the recordings. */
  settings?: Settings;
  /** Bytes of a full TCP segment: 1460, or 536 with the low-memory variant of lwIP. Default 1460. */
  segment?: number;
  /** Seconds. Default 60. */
  statsInterval?: number;
  /** Seconds that the device has been up at the start. */
  uptime?: number;
  /** Milliseconds from a boot to the first connection. Default 50. */
  bootDelay?: number;
  /** Milliseconds before the second attempt to connect; later pauses are multiples of it. Default 1000. */
  backoff?: number;
  /** Milliseconds for each 4 KiB that is written to the flash. */
  flashDelay?: number;
  /** Bytes that are free beside the running image. */
  freeSpace?: number;
  /** Bytes of the flash. Default 4 MiB. */
  chipSize?: number;
  /** `$name`. */
  name?: string;
  /** Seconds. Default 15, as in the firmware. A transfer may take about 2.7 times as long. */
  keepalive?: number;
  /**
   * Version of AsyncMqttClient in the firmware. Default 0.8.2. With 0.9.0, the device receives an image silently if it
   * arrives within `settling` after `ready`: the statuses wait for the acknowledgements of the advertisement, which
   * wait behind the image.
   */
  mqttClient?: '0.8.2' | '0.9.0';
  /**
   * Milliseconds after each `ready` in which acknowledgements are outstanding, with AsyncMqttClient 0.9.0. Default
   * 1400.
   */
  settling?: number;
  /** Milliseconds from an OTA status to the reboot, with the fork. Default 1000. */
  statusGrace?: number;
  /** Milliseconds without a byte after which version 4 of the fork ends an update. Default 60,000. */
  otaTimeout?: number;
  misbehavior?: Misbehavior;
  /** The sketch saves the battery: it puts the device to sleep when it has been ready for a while. */
  sleep?: SleepOptions;
  username?: string;
  password?: string;
  tls?: TlsOptions;
}

/** Returns the MAC of a device: the given one, or one from a block of Espressif that depends on the id only. */
export function macOf({ id, mac }: Pick<DeviceOptions, 'id' | 'mac'>): string {
  if (mac !== undefined) return mac;
  const digits = createHash('md5').update(id).digest('hex').slice(0, 6).toUpperCase();
  return `5C:CF:7F:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}`;
}

/** Returns the text of config.json for a device with these options. */
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
