/** The config.json of a simulated device (homie-esp8266 Config.cpp). */
import { deserialize, ObjectValue, Pool, Real, serialize, Whole, type Value } from './arduino-json';
import { byteLength } from './bytes';
import { type Convention, type Dialect, ORIGINAL } from './dialects';
import { isValid, RECORDED_SKETCH, type Settings } from './validation';

/** Bytes of each JsonDocument (Limits.hpp, MAX_JSON_CONFIG_ARDUINOJSON_BUFFER_SIZE). */
const POOL = 512;
/** A setting that devices of convention 5 show and never store. */
const EFFECTIVE_BASE_TOPIC = 'effective_base_topic';
/** Bytes. A file of this size or more is not read (Limits.hpp). */
const TOO_LARGE = 1000;

/** What the firmware reads from its file at boot. */
export class Configuration {
  readonly #file: ObjectValue;
  readonly #mac: string;
  readonly #dialect: Dialect;
  /** Whether the firmware can start with the file. Otherwise it starts in configuration mode, without Wi-Fi. */
  readonly loadable: boolean;

  /** @param mac as in `$mac`. Without colons and in lower case it is the id of a device whose file has none. */
  constructor(text: string, settings: Settings = RECORDED_SKETCH, mac = '5C:CF:7F:00:00:01', dialect = ORIGINAL) {
    this.#mac = mac;
    this.#dialect = dialect;
    const file = byteLength(text) < TOO_LARGE ? deserialize(text, new Pool(POOL), true, dialect.json) : undefined;
    this.#file = file instanceof ObjectValue ? file : new ObjectValue();
    this.loadable = file instanceof ObjectValue && isValid(file, settings, dialect.tls);
  }

  get deviceId(): string {
    return text(this.#file.get('device_id')) ?? this.#mac.replaceAll(':', '').toLowerCase();
  }
  get name(): string {
    return text(this.#file.get('name')) ?? '';
  }
  get baseTopic(): string {
    return text(this.#in('mqtt', 'base_topic')) ?? 'homie/';
  }
  get otaEnabled(): boolean {
    return this.#in('ota', 'enabled') === true;
  }
  /** Seconds. */
  get statsInterval(): number {
    return number(this.#file.get('device_stats_interval')) ?? 60;
  }
  /** Name and password of the network, which counts as open when there is no password. */
  get network(): string {
    return `${text(this.#in('wifi', 'ssid')) ?? ''}\n${text(this.#in('wifi', 'password')) ?? ''}`;
  }
  /** Host and port of the broker. */
  get broker(): string {
    return `${text(this.#in('mqtt', 'host')) ?? ''}:${number(this.#in('mqtt', 'port')) ?? 1883}`;
  }
  get credentials(): { username: string; password: string } | undefined {
    if (this.#in('mqtt', 'auth') !== true) return undefined;
    return { username: text(this.#in('mqtt', 'username')) ?? '', password: text(this.#in('mqtt', 'password')) ?? '' };
  }
  /** Returns a setting as JSON text. */
  setting(name: string): string | undefined {
    const value = this.#in('settings', name);
    return value === undefined ? undefined : serialize(value, this.#dialect.json);
  }

  #in(section: string, key: string): Value | undefined {
    const object = this.#file.get(section);
    return object instanceof ObjectValue ? object.get(key) : undefined;
  }
}

const text = (value: Value | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: Value | undefined): number | undefined => {
  if (value instanceof Whole) return value.value;
  return value instanceof Real ? Math.trunc(value.value) : undefined;
};

/**
 * Returns what `$implementation/config` shows of a file: all but three secrets (Config.cpp, getSafeConfigFile).
 * @param root is shown too, in convention 5 (BootNormal.cpp, buildV5AdvertisedSafeConfigFile)
 */
export function publishedFile(file: string, { json } = ORIGINAL, root?: string): string {
  const value = deserialize(file, new Pool(POOL), true, json);
  if (!(value instanceof ObjectValue)) return 'null';
  const remove = (section: string, ...keys: string[]) => {
    const object = value.get(section);
    if (object instanceof ObjectValue) for (const key of keys) object.remove(key);
  };
  remove('wifi', 'password');
  remove('mqtt', 'username', 'password');
  const mqtt = value.get('mqtt');
  if (root !== undefined && mqtt instanceof ObjectValue) mqtt.set(new Pool(Infinity), EFFECTIVE_BASE_TOPIC, root);
  return serialize(value, json);
}

/** Returns the file after a patch; undefined when the firmware silently refuses the patch (Config.cpp, patch). */
export function patchedFile(
  file: string,
  patch: string,
  settings: Settings = RECORDED_SKETCH,
  dialect = ORIGINAL,
  convention: Convention = 3,
): string | undefined {
  const merged = merge(file, patch, dialect, convention);
  return merged && isValid(merged, settings, dialect.tls) ? serialize(merged, dialect.json) : undefined;
}

/** Returns the file after a patch, without the validation that follows the merge. */
export function mergedFile(file: string, patch: string): string | undefined {
  const merged = merge(file, patch, ORIGINAL);
  return merged && serialize(merged);
}

function merge(file: string, patch: string, { json }: Dialect, convention: Convention = 3): ObjectValue | undefined {
  const changes = deserialize(patch, new Pool(POOL), false, json);
  if (!(changes instanceof ObjectValue)) return undefined;
  const mqtt = changes.get('mqtt');
  if (convention === 5 && mqtt instanceof ObjectValue) mqtt.remove(EFFECTIVE_BASE_TOPIC);
  const pool = new Pool(POOL);
  const target = deserialize(file, pool, true, json);
  if (!(target instanceof ObjectValue)) return undefined;
  mergeInto(pool, target, changes);
  return target;
}

/** Merges a patch as Config.cpp, _patchJsonObject does. */
function mergeInto(pool: Pool, target: ObjectValue, patch: ObjectValue): void {
  for (const { key, value } of patch.members) {
    const name = key ?? 'null';
    const old = target.get(name);
    if (old instanceof ObjectValue && value instanceof ObjectValue) mergeInto(pool, old, value);
    else if (value === null) target.remove(name);
    else target.set(pool, name, value);
  }
}
