import { isUtf8 } from 'node:buffer';
import { deviceStates, type Attribute, type DeviceEvent, type DeviceState, type Fact } from './device';

/** Replaces the text of a configuration patch, which may contain secrets. */
const REDACTED = '•••';

/** The longest values that are kept, in bytes. Longer values are dropped, not cut. */
const MAX_CONFIG = 4096;
const MAX_VALUE = 256;

/** Describes a device of convention 5. */
export const DESCRIPTION = '$description';

/** The longest description of a device that is read, in bytes. Only its name is kept. */
const MAX_DESCRIPTION = 65_536;

/** How many texts that are likely to be the same for many devices are kept only once. */
const MAX_SHARED = 4096;

/** What is known of each attribute of a device. */
export type Facts = { [A in keyof Attributes]?: Fact<Attributes[A]> | undefined };

/** An event of the device itself, not of our connection. */
export type ValueEvent = Exclude<DeviceEvent, { attribute: 'connection' }>;

/** A topic below a device. */
export interface TopicReader {
  /** The part after the device id. */
  readonly name: string;
  readonly attribute: Attribute;
  /** Returns the event for a message, with the times of a `Fact`; undefined if it is not a value of this attribute. */
  read(payload: Buffer, live: boolean, at: number, from?: number): ValueEvent | undefined;
}

/** Returns the value of a payload; undefined if it is not a value of the topic. */
type Read = (payload: Buffer) => string | number | boolean | undefined;

/** Stores an event as the fact of its attribute. One object serves as both, because there are many. */
export function keep(facts: Facts, event: ValueEvent): void {
  const slots: Partial<Record<Attribute, unknown>> = facts;
  slots[event.attribute] = event;
}

/**
 * The topics that are followed, with their readers, by the attribute of a device that each sets. Types, subscriptions
 * and the properties of a device follow from this table.
 *
 * Subscriptions have this order. Each filter brings at most one retained message per device (see `Subscriptions.add`).
 * The checksum comes first, because it keeps a device from being forgotten in favor of others. The state comes last:
 * when a device shows as ready, everything else that the broker has retained of it is known. No firmware topic is
 * included, so that no firmware publish comes back.
 */
const topics = {
  /** MD5 of the running image, in lower case. */
  checksum: { '$fw/checksum': readChecksum },
  /** Version of the convention, for example `3.0.1`. */
  homie: { $homie: readSharedText },
  /** In convention 5, a part of the description. */
  name: { $name: readText, [DESCRIPTION]: readNameInDescription },
  mac: { $mac: readText },
  fwName: { '$fw/name': readSharedText },
  /** Free text. */
  fwVersion: { '$fw/version': readSharedText },
  /** `esp8266` or `esp32`. */
  implementation: { $implementation: readSharedText },
  implementationVersion: { '$implementation/version': readSharedText },
  /** The JSON text as published. */
  config: { '$implementation/config': readConfig },
  /** The text of a patch, redacted. The device empties the topic when it has received the patch. */
  configSet: { '$implementation/config/set': readPatch },
  otaEnabled: { '$implementation/ota/enabled': readBoolean },
  /** The text as received. */
  otaStatus: { '$implementation/ota/status': readSharedText },
  ip: { $localip: readText },
  /** Wi-Fi signal in percent. */
  signal: { '$stats/signal': readPercent },
  /** Seconds between two statistics. */
  interval: { '$stats/interval': readNumber },
  /** Seconds since boot. */
  uptime: { '$stats/uptime': readNumber },
  /** Homie 2 has `$online`. */
  state: { $state: readState, $online: readOnline },
} satisfies Record<string, Readonly<Record<string, Read>>>;

/** The type of each attribute: what its readers return. */
export type Attributes = { [A in keyof typeof topics]: ValueOf<(typeof topics)[A]> };

type ValueOf<Readers> = Readers[keyof Readers] extends (payload: Buffer) => infer V ? NonNullable<V> : never;

/** Every attribute once. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
export const attributes = Object.keys(topics) as readonly Attribute[];

/** The topics that are followed, by name, in the order of subscription. */
export const topicReaders: ReadonlyMap<string, TopicReader> = new Map(
  attributes.flatMap((attribute) =>
    Object.entries<Read>(topics[attribute]).map(([name, read]) => [name, reader(name, attribute, read)]),
  ),
);

const states: ReadonlyMap<string, DeviceState> = new Map(deviceStates.map((state) => [state, state]));

/** The attributes that show what a device has to boot. The others do without `from`, since there are many. */
const timed: ReadonlySet<Attribute> = new Set<Attribute>(['state', 'uptime', 'otaStatus']);

const sharedTexts = new Map<string, string>();

function reader(name: string, attribute: Attribute, readValue: Read): TopicReader {
  return {
    name,
    attribute,
    read(payload, live, at, from) {
      const value = readValue(payload);
      if (value === undefined) return undefined;
      // The value is one of this attribute, but the compiler does not follow that through a union.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return { attribute, value, live, at, ...(from !== undefined && timed.has(attribute) && { from }) } as ValueEvent;
    },
  };
}

function readState(payload: Buffer): DeviceState | undefined {
  return states.get(readText(payload) ?? '');
}

function readPatch(payload: Buffer): string {
  return payload.length > 0 ? REDACTED : '';
}

function readText(payload: Buffer): string | undefined {
  return payload.length > MAX_VALUE ? undefined : payload.toString();
}

function readSharedText(payload: Buffer): string | undefined {
  const text = readText(payload);
  return text === undefined ? undefined : share(text);
}

/**
 * Replaces a configuration that is not UTF-8. It is not JSON, so nothing is read from it: decoding would turn each
 * invalid byte into three others, so that neither lengths nor values would match those of the device.
 */
const NOT_UTF8 = '\uFFFD';

function readConfig(payload: Buffer): string | undefined {
  if (payload.length > MAX_CONFIG) return undefined;
  return isUtf8(payload) ? payload.toString() : NOT_UTF8;
}

function readNameInDescription(payload: Buffer): string | undefined {
  const name: unknown = Reflect.get(Object(readDescription(payload)), 'name');
  return typeof name === 'string' && Buffer.byteLength(name) <= MAX_VALUE ? name : undefined;
}

/** Returns the `$description` of a device of convention 5, whatever is in it; undefined if it is not JSON. */
export function readDescription(payload: Buffer): unknown {
  if (payload.length > MAX_DESCRIPTION) return undefined;
  try {
    return JSON.parse(payload.toString());
  } catch {
    return undefined;
  }
}

function readChecksum(payload: Buffer): string | undefined {
  const text = readText(payload);
  return text !== undefined && /^[0-9a-f]{32}$/i.test(text) ? share(text.toLowerCase()) : undefined;
}

function readBoolean(payload: Buffer): boolean | undefined {
  const text = readText(payload);
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

function readOnline(payload: Buffer): DeviceState | undefined {
  const online = readBoolean(payload);
  return online === undefined ? undefined : online ? 'ready' : 'lost';
}

function readNumber(payload: Buffer): number | undefined {
  const text = readText(payload);
  const number = text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(number) ? number : undefined;
}

function readPercent(payload: Buffer): number | undefined {
  const percent = readNumber(payload);
  return percent !== undefined && percent <= 100 ? percent : undefined;
}

function share(text: string): string {
  const known = sharedTexts.get(text);
  if (known !== undefined) return known;
  if (sharedTexts.size >= MAX_SHARED) sharedTexts.clear();
  sharedTexts.set(text, text);
  return text;
}
