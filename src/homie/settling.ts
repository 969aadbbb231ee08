import { EventEmitter, once } from 'node:events';
import { HomieError } from '../errors';
import type { Connection } from '../mqtt/connection';
import type { Device, DeviceEvent } from './device';
import { AT_ONCE, ExactTopics } from './exact-topics';
import type { Registry } from './registry';
import { untilQuiet, type Burst } from './until-quiet';

/** Retained messages count as still arriving while the last one is not older than this, in ms. */
const RECEIVING = 10_000;

/** How long retained messages may keep arriving before this is reported, in ms. */
const LONG = 5000;

/**
 * How often the connection may end during requests for exact topics before these are given up: some brokers accept only
 * a few filters at a time.
 */
const MOST_CUT = 2;

/**
 * Follows the retained messages of a broker at each connection until all have arrived. Emits `settled` then. Emits
 * `changed` when they take long, when they no longer do, or when the broker turns out to deliver them for exact topics
 * only.
 */
export class Settling extends EventEmitter<{ changed: []; settled: [] }> {
  readonly #connection: Connection;
  readonly #registry: Registry;
  readonly #baseTopic: string;
  #isSettled = false;
  #takesLong = false;
  /** When the last retained message of the current connection arrived, in ms of `performance.now()`. */
  #lastAt = Number.NEGATIVE_INFINITY;
  /** For the current connection; undefined if filters with wildcards have brought retained messages. */
  #exact: ExactTopics | undefined;
  /** How often the connection has ended during requests for exact topics. */
  #cut = 0;
  /** Aborted when the current connection has ended. */
  #ended = new AbortController();
  /** Aborted when this has ended for good. */
  readonly #closed = new AbortController();

  /** @param baseTopic with its trailing slash */
  constructor(connection: Connection, registry: Registry, baseTopic: string) {
    super();
    // Each caller that waits adds a listener.
    this.setMaxListeners(0);
    this.#connection = connection;
    this.#registry = registry;
    this.#baseTopic = baseTopic;
    registry.on('event', (id, event) => this.#hear(id, event));
    registry.on('forgotten', (id) => this.#exact?.forget(id));
  }

  /** Whether all retained messages have arrived. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether retained messages are still arriving. */
  get isReceiving(): boolean {
    const isConnected = this.#connection.status.state === 'connected';
    return isConnected && !this.#isSettled && performance.now() - this.#lastAt < RECEIVING;
  }

  /** Whether retained messages have been arriving for long. */
  get takesLong(): boolean {
    return this.#takesLong;
  }

  /** Whether the broker was observed to deliver no retained messages for a filter with a wildcard. */
  get needsExactTopics(): boolean {
    return this.#exact?.isNeeded === true;
  }

  /** Waits until all retained messages have arrived. See `HomieBroker.settled`. */
  async wait(signal?: AbortSignal): Promise<void> {
    const over = AbortSignal.any([...(signal ? [signal] : []), this.#closed.signal]);
    over.throwIfAborted();
    if (this.#isSettled) return;
    await once(this, 'settled', { signal: over }).catch(() => over.throwIfAborted());
  }

  /** Asks for exact topics where needed. See `HomieBroker.seek`. */
  async seek(ids: Iterable<string>, signal: AbortSignal): Promise<void> {
    if (this.#exact === undefined) return;
    const unknown = [...ids].filter((id) => mayBeMore(this.#registry.get(id)));
    if (unknown.length > 0) await this.#exact.seek(unknown, signal);
  }

  /** Starts over for a new connection. */
  begin(): void {
    this.end();
    this.#ended = new AbortController();
    this.#lastAt = Number.NEGATIVE_INFINITY;
    this.#noticeIfLong(this.#ended.signal);
  }

  /** Ends with the connection. */
  end(): void {
    this.#isSettled = false;
    this.#takesLong = false;
    if (this.#exact?.isAsking === true) this.#cut += 1;
    this.#exact = undefined;
    this.#ended.abort();
  }

  /** Notes that a retained message has arrived. Call it before the registry receives the message. */
  received(): void {
    this.#lastAt = performance.now();
  }

  /** Waits for the retained messages, once the broker has acknowledged the subscriptions of the current connection. */
  async subscribed(): Promise<void> {
    const ended = this.#ended.signal;
    const burst = { lastAt: () => this.#lastAt, isPartial: () => this.#registry.awaitsState };
    try {
      await untilQuiet(burst, ended);
      if (this.#lastAt < 0 && this.#cut < MOST_CUT) await this.#askExactly(burst, ended);
    } catch {
      return;
    }
    this.#isSettled = true;
    this.emit('settled');
    if (!this.#takesLong) return;
    this.#takesLong = false;
    this.emit('changed');
  }

  /** Ends this for good. Whoever waits gets NOT_CONNECTED. */
  close(): void {
    this.#closed.abort(new HomieError('NOT_CONNECTED'));
  }

  /**
   * Asks for the exact topics of the devices already known. If nothing is retained for the first ones, does not wait
   * for the others.
   */
  async #askExactly(burst: Burst, ended: AbortSignal): Promise<void> {
    const exact = new ExactTopics({
      connection: this.#connection,
      baseTopic: this.#baseTopic,
      burst,
      ended,
      proven: () => this.emit('changed'),
    });
    this.#exact = exact;
    const ids = [...new Set([...this.#registry.watched, ...this.#registry.devices.keys()])];
    await exact.seek(ids.slice(0, AT_ONCE), ended);
    if (exact.isNeeded) await exact.seek(ids, ended);
    else for (const id of ids) exact.hear(id);
  }

  /** Evaluates whether an event shows that exact topics are needed, or may be. */
  #hear(id: string, event: DeviceEvent): void {
    if (this.#exact === undefined || event.attribute === 'connection') return;
    if (!event.live) {
      // The registry accepts a retained `$online` even after a live one, so a state proves nothing.
      if (event.attribute !== 'state') this.#exact.learn(id);
      return;
    }
    if (mayBeMore(this.#registry.get(id))) this.#exact.hear(id);
  }

  #noticeIfLong(ended: AbortSignal): void {
    const timer = setTimeout(() => {
      if (!this.isReceiving) return;
      this.#takesLong = true;
      this.emit('changed');
    }, LONG);
    ended.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }
}

/**
 * Returns whether the broker may have retained more of a device than is known. After `init`, the device is about to
 * publish everything itself.
 */
function mayBeMore({ state, checksum, config }: Partial<Device> = {}): boolean {
  return state === undefined || (state.value !== 'init' && (checksum === undefined || config === undefined));
}
