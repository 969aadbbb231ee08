/** Devices at a broker that delivers no retained messages for a filter with a wildcard (seen with RabbitMQ 3.10.8). */
import { unlessAborted } from '../unless-aborted';
import type { Connection } from '../mqtt/connection';
import { isDeviceId } from './device-id';
import { subscriptions } from './topics';
import { untilQuiet, type Burst } from './until-quiet';

/**
 * How many devices are asked for at a time: their topics fit into one SUBSCRIBE. RabbitMQ takes about 0.3 s for these.
 */
export const AT_ONCE = 16;

interface ExactTopicsInput {
  readonly connection: Connection;
  readonly baseTopic: string;
  readonly burst: Burst;
  /** Aborted when the current connection ends. */
  readonly ended: AbortSignal;
  /** Called once, when the broker turns out to need exact topics. */
  readonly proven: () => void;
}

/**
 * Asks a broker for the retained messages of single devices, each once per connection: subscribes to their topics until
 * all messages have arrived. Used only if no retained message arrived for the filters with wildcards: either nothing is
 * retained, or the broker needs exact topics.
 */
export class ExactTopics {
  readonly #input: ExactTopicsInput;
  /** Devices that were asked for, or are waiting. */
  readonly #known = new Set<string>();
  /** Devices that a caller of `seek` waits for. */
  readonly #awaited = new Set<string>();
  /** Devices that are waiting, but that no caller waits for. */
  readonly #heard = new Set<string>();
  #underWay: ReadonlySet<string> = new Set();
  #round: Promise<void> | undefined;
  /** Whether an exact topic brings what a wildcard does not; undefined while unknown. */
  #needed: boolean | undefined;

  constructor(input: ExactTopicsInput) {
    this.#input = input;
  }

  /** Whether an exact topic has brought a retained message, and no wildcard has. */
  get isNeeded(): boolean {
    return this.#needed === true;
  }

  /** Whether exact topics are being subscribed or unsubscribed, or are subscribed. */
  get isAsking(): boolean {
    return this.#underWay.size > 0;
  }

  /** Asks for a device after those that are awaited. */
  hear(id: string): void {
    if (!this.#add(id, this.#heard)) return;
    void this.#next();
  }

  /**
   * Notes that a retained value of a device has arrived that had not arrived live on this connection. If the device was
   * not asked for, a wildcard brought the value, and the broker was merely late.
   */
  learn(id: string): void {
    const isAsked = this.#underWay.has(id);
    const wasUnknown = this.#needed === undefined;
    if (wasUnknown || !isAsked) this.#needed = isAsked;
    if (wasUnknown && isAsked) this.#input.proven();
  }

  /** Drops a device that is no longer known. */
  forget(id: string): void {
    if (this.#awaited.has(id) || this.#underWay.has(id)) return;
    this.#heard.delete(id);
    this.#known.delete(id);
  }

  /**
   * Waits until the retained messages of these devices have arrived, and none of their topics is subscribed any more,
   * because a broker may deliver a live message once for each matching filter. Also resolves when the connection has
   * ended.
   *
   * @param signal rejects with its reason
   */
  async seek(ids: Iterable<string>, signal: AbortSignal): Promise<void> {
    const sought = [...ids];
    for (const id of sought) if (this.#heard.delete(id) || this.#add(id, this.#awaited)) this.#awaited.add(id);
    const { ended } = this.#input;
    while (!ended.aborted && sought.some((id) => this.#awaited.has(id) || this.#underWay.has(id))) {
      await unlessAborted(signal, this.#next());
      signal.throwIfAborted();
    }
  }

  #add(id: string, to: Set<string>): boolean {
    if (this.#known.has(id) || !isDeviceId(id)) return false;
    this.#known.add(id);
    to.add(id);
    return true;
  }

  /** Returns the round in progress, or starts the next one. */
  #next(): Promise<void> {
    this.#round ??= this.#ask().finally(() => {
      this.#round = undefined;
      if (!this.#input.ended.aborted && this.#awaited.size + this.#heard.size > 0) void this.#next();
    });
    return this.#round;
  }

  async #ask(): Promise<void> {
    const { connection, baseTopic, burst, ended } = this.#input;
    const ids = take(AT_ONCE, this.#awaited, this.#heard);
    this.#underWay = new Set(ids);
    const filters = ids.flatMap((id) => subscriptions(baseTopic, id));
    try {
      await unlessAborted(ended, connection.subscribe(filters));
      await untilQuiet(burst, ended);
    } catch {
      // The connection has ended.
    } finally {
      await unlessAborted(
        ended,
        connection.unsubscribe(filters).catch(() => undefined),
      );
      this.#underWay = new Set();
    }
  }
}

/** Takes up to `most` entries out of sets, in the order of the sets. */
function take(most: number, ...sets: readonly Set<string>[]): string[] {
  const taken: string[] = [];
  for (const set of sets) {
    for (const each of set) {
      if (taken.length === most) return taken;
      set.delete(each);
      taken.push(each);
    }
  }
  return taken;
}
