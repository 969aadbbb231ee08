import { EventEmitter } from 'node:events';
import { MAX_DEVICES } from './device';
import type { Attribute, ConnectionChange, Device, DeviceEvent, DeviceState, Fact } from './device';
import { isDeviceId } from './device-id';
import { Eviction } from './eviction';
import { attributes, keep, topicReaders, type TopicReader, type ValueEvent } from './values';
import { DeviceWatch } from './watch';
import { newDevice, type KnownDevice } from './known-device';

/** Topics that a device publishes only while it advertises itself, after each connect. */
const advertised: ReadonlySet<Attribute> = new Set<Attribute>([
  'homie',
  'name',
  'mac',
  'fwName',
  'fwVersion',
  'checksum',
  'implementation',
  'implementationVersion',
  'config',
  'otaEnabled',
]);

/**
 * Remembers what is known of the devices under one base topic. Emits `event` for each value, and `gone` when the state
 * of a device was cleared at the broker, which then knows nothing of the device any more. Never throws, whatever is
 * published. Memory is bounded: at most 20,000 devices, 4 KiB for a configuration, 256 bytes for any other value.
 *
 * When there are more devices, emits `full` once. Then devices with neither a checksum nor a full advertisement are
 * forgotten, starting with the one that was heard longest ago, and `forgotten` is emitted for each. If there are none,
 * a new device is not added. A device that is watched or protected is always kept.
 */
export class Registry extends EventEmitter<{
  event: [id: string, event: DeviceEvent];
  gone: [device: Device];
  forgotten: [id: string];
  full: [];
}> {
  readonly #base: string;
  /** How many devices are remembered. */
  readonly limit: number;
  readonly #devices = new Map<string, KnownDevice>();
  #lastReader: TopicReader | undefined;
  readonly #eviction: Eviction;
  #wasFull = false;
  /** Devices whose state comes from `$online` of Homie 2. */
  readonly #homie2 = new Set<string>();
  readonly #watches = new Map<string, Set<DeviceWatch>>();
  /** When the current connection was made, in ms of `performance.now()`. */
  #connectedAt = Number.POSITIVE_INFINITY;

  /**
   * @param baseTopic with its trailing slash
   * @param limit how many devices are remembered
   */
  constructor(baseTopic: string, limit = MAX_DEVICES) {
    super();
    this.setMaxListeners(0);
    this.#base = baseTopic;
    this.limit = limit;
    // Makes room for a hundredth at a time, so that this does not happen for each new device.
    this.#eviction = new Eviction(Math.ceil(limit / 100));
    this.protect((id) => this.#watches.has(id));
  }

  /** The devices by id. Each object is live: it always shows what is known now. */
  get devices(): ReadonlyMap<string, Device> {
    return this.#devices;
  }

  get(id: string): Device | undefined {
    return this.#devices.get(id);
  }

  /** Whether there are, or were, more devices than can be remembered. */
  get isFull(): boolean {
    return this.#wasFull && this.#devices.size > 0.98 * this.limit;
  }

  /**
   * Keeps devices from being forgotten.
   *
   * @param isNeeded called with the id of a device
   * @returns a function that ends the protection
   */
  protect(isNeeded: (id: string) => boolean): () => void {
    return this.#eviction.protect(isNeeded);
  }

  /**
   * Whether the broker has sent retained values of a device on the current connection, but not its state, which comes
   * last.
   */
  get awaitsState(): boolean {
    const isRetained = (fact: Fact<unknown> | undefined): boolean =>
      fact !== undefined && !fact.live && fact.at >= this.#connectedAt;
    for (const device of this.#devices.values()) {
      if (device.state === undefined && attributes.some((each) => isRetained(device[each]))) return true;
    }
    return false;
  }

  /** The ids of the devices that are watched. */
  get watched(): string[] {
    return [...this.#watches.keys()];
  }

  /** Starts to collect the events of a device. The caller closes the watch. */
  watch(id: string): DeviceWatch {
    const watches = this.#watches.get(id) ?? new Set();
    this.#watches.set(id, watches);
    const watch = new DeviceWatch(() => {
      watches.delete(watch);
      if (watches.size === 0) this.#watches.delete(id);
    });
    watches.add(watch);
    return watch;
  }

  /**
   * Processes one message. An empty one deletes the value, except at `$implementation/config/set` of a known device.
   *
   * @param from the broker sent it after this time, in ms of `performance.now()`
   */
  receive(topic: string, payload: Buffer, retained: boolean, from?: number): void {
    const base = this.#base.length;
    const slash = topic.indexOf('/', base);
    if (slash <= base || !topic.startsWith(this.#base)) return;
    const reader = this.#readerOf(topic, slash + 1);
    if (reader === undefined) return;
    const id = topic.slice(base, slash);
    const known = this.#devices.get(id);
    if (payload.length === 0 && (known === undefined || reader.attribute !== 'configSet')) {
      if (known !== undefined) this.#delete(known, reader);
      return;
    }
    if (retained && known !== undefined && this.#hasNewer(known, reader.attribute)) return;
    const event = reader.read(payload, !retained, performance.now(), from);
    if (event === undefined) return;
    const device = known ?? this.#enter(id);
    if (device !== undefined) this.#take(device, event, reader.name, from);
  }

  /**
   * Returns whether a value has arrived live that is newer than a retained message. A broker may deliver a retained
   * value after newer live messages (seen with aedes 1.2.0).
   */
  #hasNewer(known: KnownDevice, attribute: Attribute): boolean {
    // An inferred `init` was never at the broker, so a retained `$online` still counts.
    if (attribute === 'state' && this.#homie2.has(known.id)) return false;
    const before = known[attribute];
    return before?.live === true && before.at >= this.#connectedAt;
  }

  /**
   * Forgets which devices are present. Call it when a new connection is made, because a state that the broker no longer
   * has must not be taken for a current one. Everything else stays known.
   */
  forgetStates(): void {
    this.#connectedAt = performance.now();
    for (const device of this.#devices.values()) {
      device.state = undefined;
      device.connectedAt = device.connectedFrom = undefined;
      device.followedAt = this.#connectedAt;
    }
    this.#homie2.clear();
  }

  /** Reports a change of our own connection to every watch. */
  tellConnection(what: ConnectionChange): void {
    const event: DeviceEvent = { attribute: 'connection', at: performance.now(), ...what };
    for (const watches of this.#watches.values()) {
      for (const watch of watches) watch.push(event);
    }
  }

  /** Tries the topic of the last message first, because retained messages arrive topic by topic. */
  #readerOf(topic: string, from: number): TopicReader | undefined {
    const last = this.#lastReader;
    if (last !== undefined && topic.length - from === last.name.length && topic.endsWith(last.name)) return last;
    this.#lastReader = topicReaders.get(topic.slice(from));
    return this.#lastReader;
  }

  #take(device: KnownDevice, event: ValueEvent, name: string, from: number | undefined): void {
    if (event.attribute === 'state' && !this.#takesState(device, name, event)) return;
    if (event.live && advertised.has(event.attribute)) this.#beginAdvertisement(device, event, from);
    keep(device, event);
    this.#eviction.weigh(device);
    if (event.attribute === 'state') noteState(device, event);
    if (isSign(event)) device.seenAt = event.at;
    this.#tell(device.id, event);
  }

  /**
   * Returns whether a state is from the current firmware. If an earlier firmware used another version of Homie, its
   * state remains at the broker, and its will may arrive late. `$homie` determines which state counts; without it, a
   * retained `$online` is the leftover.
   */
  #takesState(device: KnownDevice, name: string, { value, live }: Fact<DeviceState>): boolean {
    const [isHomie2, hasOnline] = [this.#homie2.has(device.id), device.homie && followsOnline(device.homie.value)];
    if (name === '$state') {
      // A firmware with Homie 3 publishes `init` before its `$homie`.
      if (hasOnline === true && (!live || (isHomie2 && value !== 'init'))) return false;
      this.#homie2.delete(device.id);
      return true;
    }
    if (hasOnline === false || (device.state !== undefined && !live && !isHomie2 && hasOnline !== true)) return false;
    this.#homie2.add(device.id);
    return true;
  }

  /** Infers `init` from the advertisement: a Homie 2 device reports only the end of its advertisement. */
  #beginAdvertisement(device: KnownDevice, { attribute, value, at }: ValueEvent, from: number | undefined): void {
    const { state, homie } = device;
    // This topic comes first, even if the previous firmware used another version of Homie.
    if (attribute === 'homie' && followsOnline(value) === true) {
      if (state?.live === true && state.value === 'init') return;
    } else {
      if (state !== undefined && (!this.#homie2.has(device.id) || state.value === 'init')) return;
      // A later version of Homie publishes `init` itself; its earlier messages may have been missed.
      if (homie !== undefined && followsOnline(homie.value) === false) return;
    }
    this.#homie2.add(device.id);
    device.state = { value: 'init', live: true, at, ...(from !== undefined && { from }) };
    Object.assign(device, { connectedAt: at, connectedFrom: from ?? at });
    this.#tell(device.id, { attribute: 'state', ...device.state });
  }

  #tell(id: string, event: DeviceEvent): void {
    const watches = this.#watches.get(id);
    if (watches !== undefined) for (const watch of watches) watch.push(event);
    this.emit('event', id, event);
  }

  #enter(id: string): KnownDevice | undefined {
    if (!isDeviceId(id) || !(this.#makeRoom() || this.#eviction.isNeeded(id))) return undefined;
    // A copy: a slice would keep the whole topic in memory.
    const device = newDevice(Buffer.from(id).toString(), this.#connectedAt);
    this.#devices.set(device.id, device);
    return device;
  }

  #delete(device: KnownDevice, { attribute, name }: TopicReader): void {
    const elsewhere = name === (this.#homie2.has(device.id) ? '$state' : '$online');
    if (elsewhere) return;
    const isGone = attribute === 'state' && device.state !== undefined;
    device[attribute] = undefined;
    // A received patch does not show that a device is present.
    if (attributes.every((each) => each === 'configSet' || device[each] === undefined)) this.#forget(device.id);
    else this.#eviction.weigh(device);
    if (isGone) this.emit('gone', device);
  }

  #forget(id: string): void {
    this.#devices.delete(id);
    this.#eviction.remove(id);
    this.#homie2.delete(id);
  }

  /** Forgets some devices if there are too many. Returns whether there is room. */
  #makeRoom(): boolean {
    if (this.#devices.size < this.limit) return true;
    if (!this.#wasFull) this.emit('full');
    this.#wasFull = true;
    if (this.#eviction.isPaused) return false;
    for (const id of this.#eviction.choose()) {
      this.#forget(id);
      this.emit('forgotten', id);
    }
    const hasRoom = this.#devices.size < this.limit;
    if (!hasRoom) this.#eviction.pause();
    return hasRoom;
  }
}

/**
 * Returns whether the state of a device is `$online`, by the version of the convention in its `$homie`: true for 2.0,
 * false for versions with `$state` (3 and later), undefined for those between.
 */
function followsOnline(homie: string): boolean | undefined {
  if (/^2\.0(\.|$)/.test(homie)) return true;
  return homie.startsWith('2.') ? undefined : false;
}

function noteState(device: KnownDevice, { value, live, at, from = at }: Fact<DeviceState>): void {
  if (live && value === 'init') Object.assign(device, { connectedAt: at, connectedFrom: from });
  if (value === 'sleeping') device.sleeps = true;
}

/** Returns whether the device itself has just sent this, not the broker (its will) or the sender of a patch. */
function isSign({ attribute, value, live }: ValueEvent): boolean {
  return live && attribute !== 'configSet' && !(attribute === 'state' && value === 'lost');
}
