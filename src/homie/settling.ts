import { EventEmitter } from 'node:events';
import { HomieError } from '../errors';
import type { Connection } from '../mqtt/connection';
import type { Device, DeviceEvent } from './device';
import { AT_ONCE, ExactTopics } from './exact-topics';
import type { Registry } from './registry';
import { untilQuiet, type Burst } from './until-quiet';

/** What is retained still comes as long as the last of it is not older, in ms. */
const RECEIVING = 10_000;

/** It is said that it still comes when that takes longer, in ms. */
const LONG = 5000;

/** So often the connection may end while exact topics are asked for: there are brokers that take few filters at a time. */
const MOST_CUT = 2;

/**
 * Follows what a broker sends of its retained messages at each connection, until all has come. Emits `settled` then, and
 * `changed` when it takes long, no longer does, or the broker is seen to deliver that for exact topics only.
 */
export class Settling extends EventEmitter<{ changed: []; settled: [] }> {
  readonly #connection: Connection;
  readonly #registry: Registry;
  readonly #baseTopic: string;
  #isSettled = false;
  #takesLong = false;
  /** When a retained message came last on the present connection, in ms of `performance.now()`. */
  #lastAt = Number.NEGATIVE_INFINITY;
  /** Of the present connection; undefined where filters with wildcards have brought what is retained. */
  #exact: ExactTopics | undefined;
  /** How often the connection has ended while exact topics were asked for. */
  #cut = 0;
  /** Aborted when the present connection has ended. */
  #ended = new AbortController();
  readonly #waiters = new Set<(error?: HomieError) => void>();
  #closed = false;

  /** @param baseTopic with its trailing slash */
  constructor(connection: Connection, registry: Registry, baseTopic: string) {
    super();
    this.#connection = connection;
    this.#registry = registry;
    this.#baseTopic = baseTopic;
    registry.on('event', (id, event) => this.#hear(id, event));
    registry.on('forgotten', (id) => this.#exact?.forget(id));
  }

  /** Whether all has come. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether it is still coming. */
  get isReceiving(): boolean {
    const isConnected = this.#connection.status.state === 'connected';
    return isConnected && !this.#isSettled && performance.now() - this.#lastAt < RECEIVING;
  }

  /** Whether it has been coming for long. */
  get takesLong(): boolean {
    return this.#takesLong;
  }

  /** Whether the broker was seen to deliver nothing retained for a filter with a wildcard. */
  get needsExactTopics(): boolean {
    return this.#exact?.isNeeded === true;
  }

  /** See `HomieBroker.settled`. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#closed) throw new HomieError('NOT_CONNECTED');
      if (this.#isSettled) return resolve();
      const done = (error?: HomieError): void => {
        this.#waiters.delete(done);
        signal?.removeEventListener('abort', aborted);
        if (error === undefined) resolve();
        else reject(error);
      };
      const aborted = (): void => {
        this.#waiters.delete(done);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', aborted, { once: true });
      this.#waiters.add(done);
    });
  }

  /** See `HomieBroker.seek`. */
  async seek(ids: Iterable<string>, signal: AbortSignal): Promise<void> {
    if (this.#exact === undefined) return;
    const unknown = [...ids].filter((id) => mayBeMore(this.#registry.get(id)));
    if (unknown.length > 0) await this.#exact.seek(unknown, signal);
  }

  /** A connection has been made. */
  begin(): void {
    this.end();
    this.#ended = new AbortController();
    this.#lastAt = Number.NEGATIVE_INFINITY;
    this.#noticeIfLong(this.#ended.signal);
  }

  /** There is no connection. */
  end(): void {
    this.#isSettled = false;
    this.#takesLong = false;
    if (this.#exact?.isAsking === true) this.#cut += 1;
    this.#exact = undefined;
    this.#ended.abort();
  }

  /** A retained message has come. To be called before the registry takes it in. */
  received(): void {
    this.#lastAt = performance.now();
  }

  /** The broker has acknowledged the subscriptions of the present connection. */
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
    for (const done of this.#waiters) done();
    this.emit('settled');
    if (!this.#takesLong) return;
    this.#takesLong = false;
    this.emit('changed');
  }

  /** Ends it for good. Whoever waits gets NOT_CONNECTED. */
  close(): void {
    this.#closed = true;
    for (const done of this.#waiters) done(new HomieError('NOT_CONNECTED'));
  }

  /** For the devices that are known already. Where nothing is retained of the first ones, the others are not waited for. */
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

  /** What shows that exact topics are needed, or may be. */
  #hear(id: string, event: DeviceEvent): void {
    if (this.#exact === undefined || event.attribute === 'connection') return;
    if (!event.live) {
      // A retained `$online` is taken in although it came live.
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

/** Whether the broker may have retained more of a device than is known; it may be just about to publish everything. */
function mayBeMore({ state, checksum, config }: Partial<Device> = {}): boolean {
  return state === undefined || (state.value !== 'init' && (checksum === undefined || config === undefined));
}
