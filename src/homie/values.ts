import { isUtf8 } from 'node:buffer';
import { deviceStates, type Attribute, type Attributes, type DeviceEvent, type DeviceState, type Fact } from './device';

/** What stands in for a configuration patch, which may hold secrets. */
const REDACTED = '•••';

/** The longest values that are kept, in bytes. Longer ones are dropped, not cut. */
const MAX_CONFIG = 4096;
const MAX_VALUE = 256;

/** How many texts that devices may have alike are kept once for all. */
const MAX_SHARED = 4096;

/** The facts of a device, to be filled in. */
export type Facts = { [A in Attribute]: Fact<Attributes[A]> | undefined };

/** An event of a device itself. */
export type ValueEvent = Exclude<DeviceEvent, { attribute: 'connection' }>;

/** A topic below a device. */
export interface TopicReader {
  /** What stands after the device id. */
  readonly name: string;
  readonly attribute: Attribute;
  /** The event that a message is. Undefined when its payload is not a value of this attribute. */
  read(payload: Buffer, live: boolean, at: number): ValueEvent | undefined;
}

/** Makes an event the fact of its attribute. One object serves as both: there are many. */
export function keep(facts: Facts, event: ValueEvent): void {
  const slots: Record<Attribute, unknown> = facts;
  slots[event.attribute] = event;
}

/**
 * One for each topic that is followed, in the order in which these are subscribed: each filter brings at most one retained
 * message of a device (see `Session.subscribe`). The checksum comes first: with it a device is not forgotten for others. The
 * state comes last: when a device shows as ready, all else that the broker has retained of it is known. No firmware topic is
 * among them, so that no firmware publish comes back.
 */
const readers: readonly TopicReader[] = [
  reader('$fw/checksum', 'checksum', readChecksum),
  reader('$homie', 'homie', readSharedText),
  reader('$name', 'name', readText),
  reader('$mac', 'mac', readText),
  reader('$fw/name', 'fwName', readSharedText),
  reader('$fw/version', 'fwVersion', readSharedText),
  reader('$implementation', 'implementation', readSharedText),
  reader('$implementation/version', 'implementationVersion', readSharedText),
  reader('$implementation/config', 'config', readConfig),
  reader('$implementation/config/set', 'configSet', (payload) => (payload.length > 0 ? REDACTED : '')),
  reader('$implementation/ota/enabled', 'otaEnabled', readBoolean),
  reader('$implementation/ota/status', 'otaStatus', readSharedText),
  reader('$stats/uptime', 'uptime', readSeconds),
  reader('$state', 'state', (payload) => states.get(readText(payload) ?? '')),
  // Homie 2.
  reader('$online', 'state', readOnline),
];

/** The topics that are followed, by name, in the order in which they are subscribed. */
export const topicReaders: ReadonlyMap<string, TopicReader> = new Map(readers.map((each) => [each.name, each]));

/** Every attribute once. */
export const attributes: readonly Attribute[] = [...new Set(readers.map(({ attribute }) => attribute))];

const states: ReadonlyMap<string, DeviceState> = new Map(deviceStates.map((state) => [state, state]));

const sharedTexts = new Map<string, string>();

function reader<A extends Attribute>(
  name: string,
  attribute: A,
  readValue: (payload: Buffer) => Attributes[A] | undefined,
): TopicReader {
  return {
    name,
    attribute,
    read(payload, live, at) {
      const value = readValue(payload);
      if (value === undefined) return undefined;
      // The value is one of this attribute, which the compiler does not follow through a union.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return { attribute, value, live, at } as ValueEvent;
    },
  };
}

function readText(payload: Buffer): string | undefined {
  return payload.length > MAX_VALUE ? undefined : payload.toString();
}

function readSharedText(payload: Buffer): string | undefined {
  const text = readText(payload);
  return text === undefined ? undefined : share(text);
}

/**
 * Stands in for a configuration that is not UTF-8. It is not JSON, so that nothing is read out of it: each byte that is not
 * UTF-8 would become three others, and neither lengths nor values would be those of the device.
 */
const NOT_UTF8 = '\uFFFD';

function readConfig(payload: Buffer): string | undefined {
  if (payload.length > MAX_CONFIG) return undefined;
  return isUtf8(payload) ? payload.toString() : NOT_UTF8;
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

function readSeconds(payload: Buffer): number | undefined {
  const text = readText(payload);
  const seconds = text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(seconds) ? seconds : undefined;
}

function share(text: string): string {
  const known = sharedTexts.get(text);
  if (known !== undefined) return known;
  if (sharedTexts.size >= MAX_SHARED) sharedTexts.clear();
  sharedTexts.set(text, text);
  return text;
}
