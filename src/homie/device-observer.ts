import { withDeadline } from '../deadline';
import { HomieError } from '../errors';
import type { HomieBroker } from './broker';
import type { DeviceEvent, Fact } from './device';
import { BLIND_LIMIT, ObservedTime } from './observed-time';
import type { DeviceWatch } from './watch';
import { restartShown, startRuledOut, type Uptime } from './uptime';

/**
 * One connect of the device as its topics tell it: it begins with a live `init`. After a time without a connection of
 * our own it may have happened unseen; then it is put together from what is retained, and `live` is false.
 * Times are those of `DeviceObserver.clock`.
 */
export interface Advertisement {
  readonly live: boolean;
  readonly beganAt: number;
  /** `$fw/checksum`. */
  readonly checksum?: string;
  /** `$implementation/config`. */
  readonly config?: string;
  readonly readyAt?: number;
  /** The first live `$implementation/ota/status` since a live `init`. */
  readonly otaStatus?: string;
  /** The first live uptime after it was ready. */
  readonly uptime?: Uptime;
}

interface DeviceConnection {
  /** When it began, in ms of `performance.now()`. */
  readonly from: number;
  /** Its `init` was seen. */
  readonly seen: boolean;
  /** The last live uptime in it. */
  uptime?: Uptime;
}

/** What an uptime is compared with, to tell whether the device has restarted for what was published. */
interface Baseline {
  /** What came before is not for what was published, in ms of `performance.now()`. */
  readonly from: number;
  /**
   * How long the device had been up at least, in the connection in which it was given what was published: as it was known
   * then, or said in that connection later.
   */
  readonly before: Uptime;
  /** The connection in which the device was given what was published, as far as that was seen. */
  readonly connection: DeviceConnection | undefined;
}

interface ObserverInput {
  /** The broker that the watch is of. */
  readonly broker: HomieBroker;
  readonly watch: DeviceWatch;
  /** Rejects `next` when it is aborted. */
  readonly signal: AbortSignal;
  /** How long the device had been up at least, before anything is published to it. */
  readonly before?: Uptime;
}

/** What is seen of one device from the moment on in which this was made. Retained messages are never taken for events. */
export class DeviceObserver {
  readonly #watch: DeviceWatch;
  readonly #broker: HomieBroker;
  readonly #signal: AbortSignal;
  /** ms of `performance.now()`: what came before is not seen. */
  readonly #begunAt = performance.now();
  readonly #time: ObservedTime;
  #baseline: Baseline;
  #advertisement: Advertisement | undefined;
  /** When the present connection of the device began, as far as that was seen: by `init`, or before ours was restored. */
  #connection: DeviceConnection | undefined;
  #leftSinceThen = false;
  /** The device was reported lost during its latest connect, before it was ready. */
  #inDoubt = false;
  #patches = 0;
  #lost: () => void = () => undefined;

  constructor({ broker, watch, signal, before }: ObserverInput) {
    this.#broker = broker;
    this.#watch = watch;
    this.#signal = signal;
    this.#time = new ObservedTime(this.#begunAt);
    const from = this.#begunAt;
    this.#baseline = { from, before: before ?? { value: 0, at: from }, connection: undefined };
  }

  /** From when on a reboot may be for what was published, in ms of `performance.now()`. */
  get since(): number {
    return this.#baseline.from;
  }

  /** What an uptime is held against: how long the device had been up at least. */
  get before(): Uptime {
    return this.#baseline.before;
  }

  /** The latest connect of the device. Undefined before the first one, and while it is away. */
  get advertisement(): Advertisement | undefined {
    return this.#inDoubt ? undefined : this.#advertisement;
  }

  /** How many configuration patches were seen on their way to the device, whoever sent them. */
  get patches(): number {
    return this.#patches;
  }

  /** Calls `lost` whenever our own connection is lost from now on, instead of what was given before. */
  onLost(lost: () => void): void {
    this.#lost = lost;
  }

  /** Whether our own connection was ever lost. */
  get blinked(): boolean {
    return this.#time.blinked;
  }

  /** Whether the device was seen to leave and has not been seen to come back. */
  get gone(): boolean {
    return this.#leftSinceThen && this.advertisement === undefined;
  }

  /** ms on a clock that stands still while there is no connection of our own: deadlines count only what can be seen. */
  clock(): number {
    return this.#time.now();
  }

  /**
   * Whether an uptime shows a reboot that may be for what was published. `open`: it neither shows one nor rules it out,
   * since the device had just booted before.
   */
  reboot(uptime: Uptime | undefined): 'shown' | 'refuted' | 'open' | 'unknown' {
    if (uptime === undefined) return 'unknown';
    if (restartShown(this.#baseline.before, uptime)) return 'shown';
    return startRuledOut(this.#baseline.from, uptime) ? 'refuted' : 'open';
  }

  /** The device shows that it has what was published, so none of its connects before was for that. */
  received(): void {
    const connection = this.#connection;
    if (connection !== undefined) {
      const { from, uptime } = connection;
      this.#baseline = { from, before: uptime ?? { value: 0, at: from }, connection };
    }
    this.expectAnother();
  }

  /** Forgets the connect that was seen, and waits for the next one. */
  expectAnother(): void {
    // Until all subscriptions of a new connection stand, a connect may show in nothing but what is retained.
    this.#begin(this.#broker.isSettled ? undefined : { live: false, beganAt: this.clock() });
    this.#leftSinceThen = false;
  }

  /**
   * The next event of the device, in order. That a deadline has passed without one is said only when the broker has answered
   * since: a connection that is dead, and not yet known to be lost, tells nothing.
   *
   * @param until the deadline, on `clock`
   * @param pause on `clock`: undefined is returned then already, without asking the broker
   * @returns undefined when the time has passed
   * @throws {HomieError} CONNECTION_LOST after 180 s without a connection of our own; the reason of the signal
   */
  async next(until: number, pause = Number.POSITIVE_INFINITY): Promise<DeviceEvent | undefined> {
    let isHeard = pause < until;
    for (;;) {
      const { blindUntil } = this.#time;
      const event = await this.#watch.next(blindUntil ?? this.#time.when(Math.min(until, pause)), this.#signal);
      if (event === undefined) {
        if (blindUntil !== undefined) throw new HomieError('CONNECTION_LOST.notRestored');
        if (isHeard) return undefined;
        await this.#hear();
        isHeard = true;
        continue;
      }
      if (event.at < this.#begunAt) continue;
      this.#fold(event);
      if (this.#time.blindUntil === undefined) return event;
    }
  }

  /** Resolves when the broker has answered, or the connection is known to be lost. */
  async #hear(): Promise<void> {
    await withDeadline(BLIND_LIMIT, this.#signal, async (patience) => {
      await this.#broker.heard(patience);
      this.#signal.throwIfAborted();
      if (patience.aborted) throw new HomieError('CONNECTION_LOST.notRestored');
    });
  }

  #fold(event: DeviceEvent): void {
    if (event.attribute === 'connection') this.#foldConnection(event);
    // That it is away is as true when it is retained.
    else if (event.attribute === 'state' && (event.live || hasDisconnected(event.value)))
      this.#foldState(event.value, event.at);
    else if (event.live) this.#foldLive(event);
    else if (this.#advertisement?.live === false) this.#foldRetained(event);
  }

  #foldLive(event: DeviceEvent): void {
    switch (event.attribute) {
      case 'checksum':
      case 'config':
        this.#add({ [event.attribute]: event.value });
        return;
      case 'otaStatus':
        if (this.#advertisement?.live !== true || this.#advertisement.otaStatus !== undefined) return;
        this.#add({ otaStatus: event.value });
        return;
      case 'configSet':
        // The device itself publishes an empty one.
        if (event.value !== '') this.#patches += 1;
        return;
      case 'uptime':
        this.#foldUptime(event);
        return;
      default:
    }
  }

  /** A connect that nobody saw is put together from what is retained. */
  #foldRetained(event: DeviceEvent): void {
    if (event.attribute === 'checksum' || event.attribute === 'config') this.#add({ [event.attribute]: event.value });
    if (event.attribute === 'state' && event.value === 'ready') this.#add({ readyAt: this.#time.at(event.at) });
  }

  #foldConnection(event: DeviceEvent & { readonly attribute: 'connection' }): void {
    if (event.value === 'lost') {
      this.#time.stop(event.at, event.heardAt);
      this.#lost();
      return;
    }
    this.#time.resume(event.at);
    this.#connection = { from: event.at, seen: false };
    // What the broker has retained now may tell of a connect that nobody saw.
    this.#begin({ live: false, beganAt: this.#time.at(event.at) });
  }

  #foldState(state: string, at: number): void {
    if (state === 'init') {
      this.#connection = { from: at, seen: true };
      this.#begin({ live: true, beganAt: this.#time.at(at) });
    } else if (state === 'ready') {
      this.#inDoubt = false;
      this.#add({ readyAt: this.#time.at(at) });
    } else if (hasDisconnected(state)) {
      this.#leftSinceThen = true;
      // The will of the connection before may come after the `init` of this one (seen with ejabberd 23.01). Each connect
      // begins with an `init`, so a `ready` without another one shows that the device never left.
      this.#inDoubt =
        state === 'lost' && this.#advertisement?.live === true && this.#advertisement.readyAt === undefined;
      if (!this.#inDoubt) this.#advertisement = undefined;
    }
  }

  #begin(advertisement: Advertisement | undefined): void {
    this.#advertisement = advertisement;
    this.#inDoubt = false;
  }

  /** Adds to the connect that is seen, if there is one. */
  #add(said: Partial<Advertisement>): void {
    if (this.#advertisement !== undefined) this.#advertisement = { ...this.#advertisement, ...said };
  }

  #foldUptime({ value, at }: Fact<number>): void {
    const connection = this.#connection;
    const said: Uptime = { value, at, connectedAt: connection?.seen === true ? connection.from : undefined };
    if (connection !== undefined) connection.uptime = said;
    // The statistics before may have come too late to be known when it was published.
    if (connection === this.#baseline.connection) this.#baseline = { ...this.#baseline, before: said };
    const { readyAt, uptime } = this.#advertisement ?? {};
    if (readyAt !== undefined && uptime === undefined) this.#add({ uptime: said });
  }
}

/** Whether a device in this `$state` is not there. */
export function hasDisconnected(state: string): boolean {
  return state === 'lost' || state === 'disconnected' || state === 'sleeping';
}
