/** Devices at a broker that delivers nothing retained for a filter with a wildcard (seen with RabbitMQ 3.10.8). */
import { unlessAborted } from '../unless-aborted';
import type { Connection } from '../mqtt/connection';
import { isDeviceId } from './device-id';
import { subscriptions } from './topics';
import { untilQuiet, type Burst } from './until-quiet';

/** How many devices are asked for at a time: their topics fit into one SUBSCRIBE. RabbitMQ takes some 0.3 s for these. */
export const AT_ONCE = 20;

interface ExactTopicsInput {
  readonly connection: Connection;
  readonly baseTopic: string;
  readonly burst: Burst;
  /** Aborted when the connection that stands now has ended. */
  readonly ended: AbortSignal;
  /** Called once, when the broker is seen to need exact topics. */
  readonly proven: () => void;
}

/**
 * Asks a broker for what it has retained of single devices, each once on a connection: their topics are subscribed until all
 * has come. Only where no retained message came for the filters with wildcards: it cannot be told at first whether nothing is
 * retained.
 */
export class ExactTopics {
  readonly #surroundings: ExactTopicsInput;
  /** Those that were asked for, or wait. */
  readonly #known = new Set<string>();
  /** Somebody waits for these. */
  readonly #awaited = new Set<string>();
  /** These were only heard. */
  readonly #heard = new Set<string>();
  #underWay: ReadonlySet<string> = new Set();
  #round: Promise<void> | undefined;
  /** Whether a wildcard has not brought what an exact topic brings; undefined as long as neither is known. */
  #needed: boolean | undefined;

  constructor(surroundings: ExactTopicsInput) {
    this.#surroundings = surroundings;
  }

  /** Whether an exact topic has brought a retained message, and no wildcard has. */
  get isNeeded(): boolean {
    return this.#needed === true;
  }

  /** Whether its subscriptions stand, or are on their way. */
  get isAsking(): boolean {
    return this.#underWay.size > 0;
  }

  /** Asks for a device when there is nothing more urgent. */
  hear(id: string): void {
    if (!this.#add(id, this.#heard)) return;
    void this.#next();
  }

  /**
   * Takes in that a retained value of a device has come which had not come live on this connection. Of a device that is not
   * asked for it came for a wildcard: then the broker was only late.
   */
  learn(id: string): void {
    const isAsked = this.#underWay.has(id);
    const wasUnknown = this.#needed === undefined;
    if (wasUnknown || !isAsked) this.#needed = isAsked;
    if (wasUnknown && isAsked) this.#surroundings.proven();
  }

  /** Drops a device that is not known any more. */
  forget(id: string): void {
    if (this.#awaited.has(id) || this.#underWay.has(id)) return;
    this.#heard.delete(id);
    this.#known.delete(id);
  }

  /**
   * Resolves when what is retained of these devices has come, and none of their topics is subscribed any more: a broker may
   * deliver a live message for each filter that it matches. Resolves, too, when the connection has ended.
   *
   * @param signal rejects with its reason
   */
  async seek(ids: Iterable<string>, signal: AbortSignal): Promise<void> {
    const sought = [...ids];
    for (const id of sought) if (this.#heard.delete(id) || this.#add(id, this.#awaited)) this.#awaited.add(id);
    const { ended } = this.#surroundings;
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

  /** The round that is under way, or the next one. */
  #next(): Promise<void> {
    this.#round ??= this.#ask().finally(() => {
      this.#round = undefined;
      if (!this.#surroundings.ended.aborted && this.#awaited.size + this.#heard.size > 0) void this.#next();
    });
    return this.#round;
  }

  async #ask(): Promise<void> {
    const { connection, baseTopic, burst, ended } = this.#surroundings;
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

/** Takes some out of sets, from the first ones first. */
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
