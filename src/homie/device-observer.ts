import { withDeadline } from '../deadline';
import { HomieError } from '../errors';
import type { HomieBroker } from './broker';
import type { DeviceEvent, Fact } from './device';
import { BLIND_LIMIT, ObservedTime } from './observed-time';
import type { DeviceWatch } from './watch';
import { restartShown, startRuledOut, type Uptime } from './uptime';

/**
 * One connect of the device as seen in its topics. It starts with a live `init`. If our own connection was lost, the
 * connect may have happened unseen; then it is assembled from retained messages, and `live` is false. Times are those
 * of `DeviceObserver.clock`.
 */
export interface Advertisement {
  readonly live: boolean;
  readonly beganAt: number;
  /** `$fw/checksum`. */
  readonly checksum?: string;
  /** `$implementation/config`. */
  readonly config?: string;
  readonly readyAt?: number;
  /** The first live `$implementation/ota/status` since the live `init`. */
  readonly otaStatus?: string;
  /** The first live uptime after `ready`. */
  readonly uptime?: Uptime;
}

interface DeviceConnection {
  /** When it started, in ms of `performance.now()`. */
  readonly from: number;
  /** The broker sent its `init` after this time; undefined if the `init` was not seen. */
  readonly sentFrom: number | undefined;
  /** The last live uptime in this connection. */
  uptime?: Uptime;
}

/** What an uptime is compared with, to determine whether the device has restarted because of what was published. */
interface Baseline {
  /** Nothing before this was caused by what was published, in ms of `performance.now()`. */
  readonly from: number;
  /**
   * The minimum time for which the device had been up in the connection in which it received what was published: as
   * known at that moment, or as reported later in the same connection.
   */
  readonly before: Uptime;
  /** The connection in which the device received what was published, if that was seen. */
  readonly connection: DeviceConnection | undefined;
}

interface ObserverInput {
  /** The broker to which the watch belongs. */
  readonly broker: HomieBroker;
  readonly watch: DeviceWatch;
  /** Makes `next` reject when aborted. */
  readonly signal: AbortSignal;
  /** The minimum time for which the device has been up, before anything is published to it. */
  readonly before?: Uptime;
}

/** Collects what one device shows after the observer was created. Never takes retained messages for events. */
export class DeviceObserver {
  readonly #watch: DeviceWatch;
  readonly #broker: HomieBroker;
  readonly #signal: AbortSignal;
  /** Everything before this is ignored, in ms of `performance.now()`. */
  readonly #begunAt = performance.now();
  readonly #time: ObservedTime;
  #baseline: Baseline;
  #advertisement: Advertisement | undefined;
  /**
   * The current connection of the device. If its `init` was not seen, it starts when our own connection was restored.
   */
  #connection: DeviceConnection | undefined;
  #leftSinceThen = false;
  /** The device was reported lost during its latest connect, before it was ready. */
  #inDoubt = false;
  #patches = 0;
  /** The broker has answered a ping that was sent at this time, in ms of `performance.now()`. */
  #heardAt = Number.NEGATIVE_INFINITY;
  #lost: () => void = () => undefined;

  constructor({ broker, watch, signal, before }: ObserverInput) {
    this.#broker = broker;
    this.#watch = watch;
    this.#signal = signal;
    this.#time = new ObservedTime(this.#begunAt);
    const from = this.#begunAt;
    this.#baseline = { from, before: before ?? { value: 0, at: from }, connection: undefined };
  }

  /** A reboot may be caused by what was published only after this, in ms of `performance.now()`. */
  get since(): number {
    return this.#baseline.from;
  }

  /** The minimum time for which the device had been up, with which an uptime is compared. */
  get before(): Uptime {
    return this.#baseline.before;
  }

  /** The latest connect of the device. Undefined before the first one, and while the device is away. */
  get advertisement(): Advertisement | undefined {
    return this.#inDoubt ? undefined : this.#advertisement;
  }

  /** Number of configuration patches seen on their way to the device, from any sender. */
  get patches(): number {
    return this.#patches;
  }

  /** Calls `lost` whenever our own connection is lost from now on. Replaces an earlier callback. */
  onLost(lost: () => void): void {
    this.#lost = lost;
  }

  /** Whether our own connection was ever lost. */
  get blinked(): boolean {
    return this.#time.blinked;
  }

  /** Whether the device was seen to leave and has not been seen to return. */
  get gone(): boolean {
    return this.#leftSinceThen && this.advertisement === undefined;
  }

  /**
   * Returns the time in ms on a clock that stops while we have no connection of our own, so that deadlines count only
   * time in which the device can be seen.
   */
  clock(): number {
    return this.#time.now();
  }

  /**
   * Returns whether an uptime shows a reboot that what was published may have caused. `open`: the uptime neither shows
   * nor rules out such a reboot, because the device had booted shortly before. `unknown`: there is no uptime.
   */
  reboot(uptime: Uptime | undefined): 'shown' | 'refuted' | 'open' | 'unknown' {
    if (uptime === undefined) return 'unknown';
    if (restartShown(this.#baseline.before, uptime)) return 'shown';
    return startRuledOut(this.#baseline.from, uptime) ? 'refuted' : 'open';
  }

  /**
   * Notes that the device shows that it has received what was published, so that none of its earlier connects was
   * caused by it.
   */
  received(): void {
    const connection = this.#connection;
    if (connection !== undefined) {
      const { from, uptime } = connection;
      this.#baseline = { from, before: uptime ?? { value: 0, at: from }, connection };
    }
    this.expectAnother();
  }

  /** Discards the connect that was seen, and waits for the next one. */
  expectAnother(): void {
    // Until all subscriptions of a new connection are in place, a connect may show in retained messages only.
    this.#begin(this.#broker.isSettled ? undefined : { live: false, beganAt: this.clock() });
    this.#leftSinceThen = false;
  }

  /**
   * Returns the next event of the device, in order. Reports a passed deadline only if the broker has answered since: a
   * dead connection that is not yet known to be lost delivers no events.
   *
   * @param until the deadline, on `clock`
   * @param pause on `clock`: if earlier than `until`, ends the wait without asking the broker
   * @returns undefined if the time has passed
   * @throws {HomieError} CONNECTION_LOST: our own connection was not restored within 180 s; the reason of the signal
   */
  async next(until: number, pause = Number.POSITIVE_INFINITY): Promise<DeviceEvent | undefined> {
    for (;;) {
      const { blindUntil } = this.#time;
      const event = await this.#watch.next(blindUntil ?? this.#time.when(Math.min(until, pause)), this.#signal);
      if (event === undefined) {
        if (blindUntil !== undefined) throw new HomieError('CONNECTION_LOST.notRestored');
        // Everything that was in time has arrived, even if messages keep arriving.
        if (pause < until || this.#heardAt >= this.#time.when(until)) return undefined;
        await this.#hear();
        continue;
      }
      if (event.at < this.#begunAt) continue;
      this.#fold(event);
      if (this.#time.blindUntil === undefined) return event;
    }
  }

  /**
   * Waits until the broker has answered, or our connection is known to be lost.
   *
   * @throws {HomieError} CONNECTION_LOST: neither happened within 180 s; the reason of the signal
   */
  async #hear(): Promise<void> {
    const now = performance.now();
    await withDeadline(BLIND_LIMIT, this.#signal, async (patience) => {
      await this.#broker.heard(patience);
      this.#signal.throwIfAborted();
      if (patience.aborted) throw new HomieError('CONNECTION_LOST.notRestored');
    });
    this.#heardAt = now;
  }

  #fold(event: DeviceEvent): void {
    if (event.attribute === 'connection') this.#foldConnection(event);
    // A retained state that says that the device is away is as true as a live one.
    else if (event.attribute === 'state' && (event.live || hasDisconnected(event.value))) this.#foldState(event);
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

  /** Assembles a connect that was not seen from retained messages. */
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
    this.#connection = { from: event.at, sentFrom: undefined };
    // What the broker has retained now may be from a connect that was not seen.
    this.#begin({ live: false, beganAt: this.#time.at(event.at) });
  }

  #foldState({ value: state, at, from = at }: Fact<string>): void {
    if (state === 'init') {
      this.#connection = { from: at, sentFrom: from };
      this.#begin({ live: true, beganAt: this.#time.at(at) });
    } else if (state === 'ready') {
      this.#inDoubt = false;
      this.#add({ readyAt: this.#time.at(at) });
    } else if (hasDisconnected(state)) {
      this.#leftSinceThen = true;
      // The will of the previous connection may arrive after the `init` of this one (seen with ejabberd 23.01). Each
      // connect starts with an `init`, so a `ready` without another `init` shows that the device never left.
      this.#inDoubt =
        state === 'lost' && this.#advertisement?.live === true && this.#advertisement.readyAt === undefined;
      if (!this.#inDoubt) this.#advertisement = undefined;
    }
  }

  #begin(advertisement: Advertisement | undefined): void {
    this.#advertisement = advertisement;
    this.#inDoubt = false;
  }

  /** Adds to the current connect, if there is one. */
  #add(said: Partial<Advertisement>): void {
    if (this.#advertisement !== undefined) this.#advertisement = { ...this.#advertisement, ...said };
  }

  #foldUptime({ value, at, from }: Fact<number>): void {
    const connection = this.#connection;
    const said: Uptime = { value, at, from, connectedAt: connection?.from, connectedFrom: connection?.sentFrom };
    if (connection !== undefined) connection.uptime = said;
    // Earlier statistics may have arrived too late to be known when the message was published.
    if (connection === this.#baseline.connection) this.#baseline = { ...this.#baseline, before: said };
    const { readyAt, uptime } = this.#advertisement ?? {};
    if (readyAt !== undefined && uptime === undefined) this.#add({ uptime: said });
  }
}

/** Returns whether an event says that a device is away, or starts another connection. */
export function hasLeft(event: DeviceEvent): boolean {
  return event.attribute === 'state' && (hasDisconnected(event.value) || (event.live && event.value === 'init'));
}

/** Returns whether a device with this `$state` is away. */
export function hasDisconnected(state: string): boolean {
  return state === 'lost' || state === 'disconnected' || state === 'sleeping';
}
