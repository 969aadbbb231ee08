import { withDeadline } from '../deadline';
import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { settle } from '../homie/presence';
import type { DeviceWatch } from '../homie/watch';
import { baseTopicOf, deviceIdOf } from './file';
import { isLeftover } from './known';
import type { Step } from './step';

/** How long another connection to the broker may take, in ms, unless the broker is still sending what it has retained. */
const SETTLE = 10_000;

/** Where a device is: a base topic and an id. */
export class Place {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly watch: DeviceWatch;

  constructor(broker: HomieBroker, device: string) {
    this.broker = broker;
    this.device = device;
    this.watch = broker.watch(device);
  }

  /** Base topic and device id. */
  get root(): string {
    return this.broker.baseTopic + this.device;
  }
}

/** The places that a device is led through, from the one where it is now. */
export class Journey {
  readonly #places: Place[];
  /** Connections for other base topics than that of the first place. */
  readonly #brokers: HomieBroker[] = [];
  readonly #release: (() => void)[] = [];

  constructor(broker: HomieBroker, device: string) {
    this.#places = [new Place(broker, device)];
  }

  get start(): Place {
    return this.#places[0] ?? this.end;
  }

  get end(): Place {
    const last = this.#places.at(-1);
    if (last === undefined) throw new HomieError('UNEXPECTED');
    return last;
  }

  /**
   * Prepares for what the steps do to the topics of the device: connects to where it will be, and locks it there.
   *
   * @returns where the device is after each step
   * @throws {HomieError} DEVICE_ID_TAKEN, DEVICE_BUSY, REBOOT_PENDING, FACTS_MISSING, NOT_CONNECTED; the reason of the signal
   */
  async prepare(steps: readonly Step[], signal: AbortSignal): Promise<Place[]> {
    // Nothing was sent the last time.
    for (const { watch } of this.#places.splice(1)) watch.close();
    const after: Place[] = [];
    for (const step of steps) {
      const target = this.#target(step);
      if (target !== undefined) this.#places.push(await this.#arrive(target, signal));
      after.push(this.end);
    }
    return after;
  }

  /** Every place that the device leaves on its way to `place`. */
  leftFor(place: Place): Place[] {
    return this.#places.slice(0, this.#places.indexOf(place));
  }

  /** Ends all that it has opened. */
  async close(): Promise<void> {
    for (const { watch } of this.#places) watch.close();
    for (const release of this.#release) release();
    await Promise.all(this.#brokers.map((broker) => broker.close()));
  }

  #target(step: Step): { baseTopic: string; device: string } | undefined {
    const mac = this.start.broker.registry.get(this.start.device)?.mac?.value;
    const [before, expected] = [step.before(), step.expected()];
    const { broker, device } = this.end;
    const id = deviceIdOf(expected, mac);
    if (id === undefined) {
      throw new HomieError(
        'FACTS_MISSING',
        'The device would take its MAC address as its id, but has not published it.',
      );
    }
    const isRenamed = id !== deviceIdOf(before, mac);
    const isRebased = baseTopicOf(expected) !== baseTopicOf(before);
    if (!isRenamed && !isRebased) return undefined;
    return {
      baseTopic: isRebased ? (baseTopicOf(expected) ?? broker.baseTopic) : broker.baseTopic,
      device: isRenamed ? id : device,
    };
  }

  async #arrive({ baseTopic, device }: { baseTopic: string; device: string }, signal: AbortSignal): Promise<Place> {
    const broker = await this.#reach(baseTopic, signal);
    const there = broker.registry.get(device);
    if (there !== undefined && !isLeftover(there, this.#known())) throw new HomieError('DEVICE_ID_TAKEN');
    const { start } = this;
    const job = start.broker.locks.holder(start.device) ?? '';
    broker.locks.acquire(device, job);
    this.#release.push(() => broker.locks.release(device, job));
    return new Place(broker, device);
  }

  /** The device as it is known, but with an id that is nobody's: at another base topic the same id is another device. */
  #known() {
    const known = this.start.broker.registry.get(this.start.device);
    return known && { ...known, id: '' };
  }

  async #reach(baseTopic: string, signal: AbortSignal): Promise<HomieBroker> {
    const open = [this.start.broker, ...this.#brokers].find((broker) => broker.baseTopic === baseTopic);
    if (open !== undefined) return open;
    const broker = this.start.broker.beside(baseTopic);
    this.#brokers.push(broker);
    broker.start();
    try {
      await withDeadline(SETTLE, signal, (patience) => broker.settled(patience));
    } catch {
      signal.throwIfAborted();
      if (broker.isReceiving) await settle(broker, signal);
      if (broker.isReceiving) throw new HomieError('STILL_RECEIVING');
      if (broker.isSettled) return broker;
      throw new HomieError(
        'NOT_CONNECTED',
        `A second connection, to see the device under ${baseTopic}, could not be made.`,
      );
    }
    return broker;
  }
}
