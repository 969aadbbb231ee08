import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { HomieError } from '../errors';
import { unlessAborted } from '../unless-aborted';
import { Connection, type ConnectionOptions, type ConnectionStatus } from '../mqtt/connection';
import { subscribeError } from '../mqtt/reason';
import type { Device, DeviceEvent } from './device';
import { AT_ONCE, ExactTopics } from './exact-topics';
import { DeviceLocks } from './lock';
import { Registry } from './registry';
import { normalizeBaseTopic, subscriptions } from './topics';
import { untilQuiet, type Burst } from './until-quiet';
import type { DeviceWatch } from './watch';

/** What is retained still comes as long as the last of it is not older, in ms. */
const RECEIVING = 10_000;

/** It is said that it still comes when that takes longer, in ms. */
const LONG = 5000;

/** So often the connection may end while exact topics are asked for: there are brokers that take few filters at a time. */
const MOST_CUT = 2;

export interface BrokerOptions extends ConnectionOptions {
  readonly baseTopic: string;
  /** How texts for people name the base topic, where it holds what is not to be shown. With its trailing slash. */
  readonly shownBaseTopic?: string;
}

/**
 * One broker with the devices under one base topic. Emits `settled` at each connection, when what is retained has
 * been received, and `status` again when the broker has refused subscriptions, is long in sending what is retained, or is seen
 * to deliver that for exact topics only.
 */
export class HomieBroker extends EventEmitter<{ status: [ConnectionStatus]; settled: [] }> {
  readonly baseTopic: string;
  /** How texts for people name the base topic. */
  readonly shownBaseTopic: string;
  readonly registry: Registry;
  readonly connection: Connection;
  readonly locks: DeviceLocks;
  readonly #options: ConnectionOptions;
  /** Whether messages of the present connection may come. */
  #restored = false;
  #settled = false;
  /** Reason codes by filter. */
  #refused: ReadonlyMap<string, number> = new Map();
  #connectionNumber = 0;
  #closed = false;
  #lastRetained = Number.NEGATIVE_INFINITY;
  #takesLong = false;
  /** Of the present connection; undefined where filters with wildcards have brought what is retained. */
  #exact: ExactTopics | undefined;
  #cut = 0;
  #ended = new AbortController();
  readonly #waiters = new Set<(error?: HomieError) => void>();

  /** @throws {HomieError} INVALID_BASE_TOPIC, BROKER_SETTINGS */
  constructor({ baseTopic, shownBaseTopic, ...options }: BrokerOptions) {
    super();
    // As many nodes may use it as there are.
    this.setMaxListeners(0);
    this.#options = options;
    this.baseTopic = normalizeBaseTopic(baseTopic);
    this.shownBaseTopic = shownBaseTopic ?? this.baseTopic;
    this.registry = new Registry(this.baseTopic);
    this.connection = new Connection(options);
    this.locks = new DeviceLocks(options.url, this.baseTopic, (id) => this.registry.get(id));

    this.registry.on('event', (id, event) => {
      this.locks.observe(id, event);
      this.#hear(id, event);
    });
    this.registry.on('forgotten', (id) => this.#exact?.forget(id));
    this.registry.protect((id) => this.locks.isHeld(id));
    this.connection.on('status', (status) => this.#connectionChanged(status));
    this.connection.on('subscribed', (refused) => this.#subscribed(refused));
    this.connection.on('message', (topic, payload, retained) => {
      this.#restore();
      if (retained) this.#lastRetained = performance.now();
      this.registry.receive(topic, payload, retained);
    });
  }

  get status(): ConnectionStatus {
    const { status } = this.connection;
    const isExact = this.needsExactTopics;
    // Asked for at every look at a device: mostly there is nothing to add.
    if (status.state !== 'connected' || (this.#refused.size === 0 && !this.#takesLong && !isExact)) return status;
    const refusal = this.refusal();
    return {
      ...status,
      ...(refusal && { refusal }),
      ...(this.#takesLong && { receiving: true }),
      ...(isExact && { lacks: [...(status.lacks ?? []), 'retainedByWildcard'] }),
    };
  }

  /** Whether the broker was seen to deliver nothing retained for a filter with a wildcard. */
  get needsExactTopics(): boolean {
    return this.#exact?.isNeeded === true;
  }

  /**
   * Why less is received than the devices publish: what the broker refused to let us subscribe to.
   *
   * @param topics below a device; all that are followed when there are none
   * @returns SUBSCRIBE_REFUSED; undefined where nothing of it was refused
   */
  refusal(...topics: string[]): HomieError | undefined {
    if (this.#refused.size === 0) return undefined;
    const filters = topics.map((topic) => `${this.baseTopic}+/${topic}`);
    const refused = [...this.#refused].filter(([filter]) => filters.length === 0 || filters.includes(filter));
    const shown = refused.map(([filter, code]) => [this.shown(filter), code] as const);
    return shown.length === 0 ? undefined : subscribeError(new Map(shown));
  }

  /** The filters that the broker refused, below the base topic. */
  get refused(): string[] {
    return [...this.#refused.keys()].map((filter) => filter.slice(this.baseTopic.length));
  }

  /** Another one for each connection to the broker. */
  get connectionNumber(): number {
    return this.#connectionNumber;
  }

  /** Connects, and stays connected until `close`. */
  start(): void {
    void this.connection.subscribe(subscriptions(this.baseTopic));
    this.connection.connect();
  }

  /**
   * Another connection to the same broker, for the devices under another base topic. To be started, and to be closed.
   *
   * @throws {HomieError} INVALID_BASE_TOPIC
   */
  beside(baseTopic: string): HomieBroker {
    const { clientId, ...options } = this.#options;
    const another = clientId !== undefined && { clientId: `${clientId}-${randomBytes(4).toString('hex')}` };
    const shown = baseTopic === this.baseTopic && { shownBaseTopic: this.shownBaseTopic };
    return new HomieBroker({ ...options, ...another, ...shown, baseTopic });
  }

  /** A topic as texts for people name it. */
  shown(topic: string): string {
    const { baseTopic, shownBaseTopic } = this;
    return topic.startsWith(baseTopic) ? shownBaseTopic + topic.slice(baseTopic.length) : topic;
  }

  /**
   * Begins to collect the events of a device, and those of our own connection: `lost`, and `restored` before the first
   * message of the next one. To be closed.
   */
  watch(id: string): DeviceWatch {
    return this.registry.watch(id);
  }

  /**
   * Resolves when what is retained has been received: the subscriptions are acknowledged, and no retained message came for
   * 300 ms, or 2 s where the state of a device is missing; at the latest 300 s after that. Waits for a connection where there is none.
   *
   * @param signal rejects with its reason
   * @throws {HomieError} NOT_CONNECTED when this is closed
   */
  settled(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#closed) throw new HomieError('NOT_CONNECTED');
      if (this.#settled) return resolve();
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

  /**
   * Resolves when what is retained of these devices has come, too, at a broker that delivers it for exact topics only; at once
   * at any other. To be called when this has settled.
   *
   * @param signal rejects with its reason
   */
  async seek(ids: Iterable<string>, signal: AbortSignal): Promise<void> {
    if (this.#exact === undefined) return;
    const unknown = [...ids].filter((id) => mayBeMore(this.registry.get(id)));
    if (unknown.length > 0) await this.#exact.seek(unknown, signal);
  }

  /**
   * Resolves when all has come that the broker has sent until now, or the connection is known to be lost: one that is dead
   * may be taken to stand for long. Resolves, too, when the signal is aborted.
   */
  async heard(signal: AbortSignal): Promise<void> {
    await unlessAborted(
      signal,
      this.connection.ping().catch(() => undefined),
    );
  }

  /** Whether what is retained has been received, as `settled` says. */
  get isSettled(): boolean {
    return this.#settled;
  }

  /** Whether what is retained is still coming. */
  get isReceiving(): boolean {
    const isConnected = this.connection.status.state === 'connected';
    return isConnected && !this.#settled && performance.now() - this.#lastRetained < RECEIVING;
  }

  /** Ends the connection, which is `disconnected` at once. No socket, listener or timer stays when this resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    this.locks.close();
    const closed = this.connection.close();
    for (const done of this.#waiters) done(new HomieError('NOT_CONNECTED'));
    await closed;
  }

  #connectionChanged(status: ConnectionStatus): void {
    this.#refused = new Map();
    this.#takesLong = false;
    if (this.#exact?.isAsking === true) this.#cut += 1;
    this.#exact = undefined;
    this.#ended.abort();
    if (status.state === 'connected') {
      this.#ended = new AbortController();
      this.#lastRetained = Number.NEGATIVE_INFINITY;
      this.#tellThatItTakesLong(this.#ended.signal);
      this.#connectionNumber += 1;
      this.registry.forgetStates();
    } else if (this.#restored) {
      this.#restored = false;
      this.#settled = false;
      this.registry.tellConnection({ value: 'lost', heardAt: this.connection.heardAt });
    }
    this.emit('status', status);
  }

  #restore(): void {
    if (this.#restored) return;
    this.#restored = true;
    this.registry.tellConnection({ value: 'restored' });
  }

  #subscribed(refused: ReadonlyMap<string, number>): void {
    this.#restore();
    this.#refused = refused;
    if (refused.size > 0) this.emit('status', this.status);
    void this.#settle(this.#ended.signal);
  }

  async #settle(ended: AbortSignal): Promise<void> {
    const burst = { lastAt: () => this.#lastRetained, isPartial: () => this.registry.awaitsState };
    try {
      await untilQuiet(burst, ended);
      if (this.#lastRetained < 0 && this.#cut < MOST_CUT) await this.#askExactly(burst, ended);
    } catch {
      return;
    }
    this.#settled = true;
    for (const done of this.#waiters) done();
    this.emit('settled');
    if (!this.#takesLong) return;
    this.#takesLong = false;
    this.emit('status', this.status);
  }

  /** For the devices that are known already. Where nothing is retained of the first ones, the others are not waited for. */
  async #askExactly(burst: Burst, ended: AbortSignal): Promise<void> {
    const exact = new ExactTopics({
      connection: this.connection,
      baseTopic: this.baseTopic,
      burst,
      ended,
      proven: () => this.emit('status', this.status),
    });
    this.#exact = exact;
    const ids = [...new Set([...this.registry.watched, ...this.registry.devices.keys()])];
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
    if (mayBeMore(this.registry.get(id))) this.#exact.hear(id);
  }

  #tellThatItTakesLong(ended: AbortSignal): void {
    const timer = setTimeout(() => {
      if (!this.isReceiving) return;
      this.#takesLong = true;
      this.emit('status', this.status);
    }, LONG);
    ended.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }
}

/** Whether the broker may have retained more of a device than is known; it may be just about to publish everything. */
function mayBeMore({ state, checksum, config }: Partial<Device> = {}): boolean {
  return state === undefined || (state.value !== 'init' && (checksum === undefined || config === undefined));
}
