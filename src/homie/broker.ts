import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { HomieError } from '../errors';
import { unlessAborted } from '../unless-aborted';
import { Connection, type ConnectionOptions, type ConnectionStatus } from '../mqtt/connection';
import { subscribeError } from '../mqtt/reason';
import { DeviceLocks } from './lock';
import { Registry } from './registry';
import { Settling } from './settling';
import { normalizeBaseTopic, subscriptions } from './topics';
import { REFRESH } from './uptime';
import type { DeviceWatch } from './watch';

export interface BrokerOptions extends ConnectionOptions {
  readonly baseTopic: string;
  /**
   * How texts for people name the base topic, with its trailing slash, if it contains something that must not be shown.
   */
  readonly shownBaseTopic?: string;
}

/**
 * One broker with the devices under one base topic. Emits `settled` at each connection, when the retained messages have
 * arrived. Emits `status` at every change of the connection, and when the broker has refused subscriptions, takes long
 * to send the retained messages, no longer does, or turns out to deliver them for exact topics only.
 */
export class HomieBroker extends EventEmitter<{ status: [ConnectionStatus]; settled: [] }> {
  readonly baseTopic: string;
  /** How texts for people name the base topic. */
  readonly shownBaseTopic: string;
  readonly registry: Registry;
  readonly connection: Connection;
  readonly locks: DeviceLocks;
  readonly #options: ConnectionOptions;
  readonly #settling: Settling;
  /** Whether `restored` was announced for the current connection. */
  #restored = false;
  /** Reason codes by filter. */
  #refused: ReadonlyMap<string, number> = new Map();
  #connectionNumber = 0;
  /** Runs while there is a connection. */
  #refreshing: NodeJS.Timeout | undefined;

  /** @throws {HomieError} INVALID_BASE_TOPIC, BROKER_SETTINGS */
  constructor({ baseTopic, shownBaseTopic, ...options }: BrokerOptions) {
    super();
    // Any number of nodes may use it.
    this.setMaxListeners(0);
    this.#options = options;
    this.baseTopic = normalizeBaseTopic(baseTopic);
    this.shownBaseTopic = shownBaseTopic ?? this.baseTopic;
    this.registry = new Registry(this.baseTopic);
    this.connection = new Connection(options);
    this.locks = new DeviceLocks(options.url, this.baseTopic, (id) => this.registry.get(id));
    this.#settling = new Settling(this.connection, this.registry, this.baseTopic);

    this.#settling.on('changed', () => this.emit('status', this.status));
    this.#settling.on('settled', () => this.emit('settled'));
    this.registry.on('event', (id, event) => {
      // What the device says next is then known to be later than this event.
      if (this.locks.observe(id, event)) this.connection.refresh();
    });
    this.registry.protect((id) => this.locks.isHeld(id));
    this.connection.on('status', (status) => this.#connectionChanged(status));
    this.connection.on('subscribed', (refused) => this.#subscribed(refused));
    this.connection.on('message', (topic, payload, retained) => {
      this.#restore();
      if (retained) this.#settling.received();
      this.registry.receive(topic, payload, retained, retained ? undefined : this.connection.freshSince);
    });
  }

  get status(): ConnectionStatus {
    const { status } = this.connection;
    const { takesLong, needsExactTopics } = this.#settling;
    // A fast path: this runs at every look at a device, and usually there is nothing to add.
    if (status.state !== 'connected' || (this.#refused.size === 0 && !takesLong && !needsExactTopics)) return status;
    const refusal = this.refusal();
    return {
      ...status,
      ...(refusal && { refusal }),
      ...(takesLong && { receiving: true }),
      ...(needsExactTopics && { lacks: [...(status.lacks ?? []), 'retainedByWildcard'] }),
    };
  }

  /** Whether the broker was observed to deliver no retained messages for a filter with a wildcard. */
  get needsExactTopics(): boolean {
    return this.#settling.needsExactTopics;
  }

  /**
   * Returns why less arrives than the devices publish: the broker refused subscriptions.
   *
   * @param topics below a device; without any, all topics that are followed
   * @returns SUBSCRIBE_REFUSED; undefined if none of them was refused
   */
  refusal(...topics: string[]): HomieError | undefined {
    if (this.#refused.size === 0) return undefined;
    const filters = topics.map((topic) => `${this.baseTopic}+/${topic}`);
    const refused = [...this.#refused].filter(([filter]) => filters.length === 0 || filters.includes(filter));
    const shown = refused.map(([filter, code]) => [this.shown(filter), code] as const);
    return shown.length === 0 ? undefined : subscribeError(new Map(shown));
  }

  /** The filters that the broker refused, relative to the base topic. */
  get refused(): string[] {
    return [...this.#refused.keys()].map((filter) => filter.slice(this.baseTopic.length));
  }

  /** Changes with each connection to the broker. */
  get connectionNumber(): number {
    return this.#connectionNumber;
  }

  /** Connects, and stays connected until `close`. */
  start(): void {
    void this.connection.subscribe(subscriptions(this.baseTopic));
    this.connection.connect();
  }

  /**
   * Creates another connection to the same broker, for the devices under another base topic. The caller starts and
   * closes it.
   *
   * @throws {HomieError} INVALID_BASE_TOPIC
   */
  beside(baseTopic: string): HomieBroker {
    const { clientId, ...options } = this.#options;
    const another = clientId !== undefined && { clientId: `${clientId}-${randomBytes(4).toString('hex')}` };
    const shown = baseTopic === this.baseTopic && { shownBaseTopic: this.shownBaseTopic };
    return new HomieBroker({ ...options, ...another, ...shown, baseTopic });
  }

  /** Returns a topic as texts for people name it. */
  shown(topic: string): string {
    const { baseTopic, shownBaseTopic } = this;
    return topic.startsWith(baseTopic) ? shownBaseTopic + topic.slice(baseTopic.length) : topic;
  }

  /**
   * Starts to collect the events of a device, and those of our own connection: `lost`, and `restored` before the first
   * message of the next connection. The caller closes the watch.
   */
  watch(id: string): DeviceWatch {
    return this.registry.watch(id);
  }

  /**
   * Waits for a connection, and then until the retained messages have arrived: the subscriptions are acknowledged, and
   * no retained message has arrived for 300 ms, or for 2 s while the state of a device is missing. This takes at most
   * 400 s after the acknowledgment, and longer only if devices must be asked for by exact topics.
   *
   * @param signal rejects with its reason
   * @throws {HomieError} NOT_CONNECTED: the broker was closed
   */
  settled(signal?: AbortSignal): Promise<void> {
    return this.#settling.wait(signal);
  }

  /**
   * Waits until the retained messages of these devices have arrived, too, if the broker delivers them for exact topics
   * only; resolves at once with any other broker. Call it after `settled`.
   *
   * @param signal rejects with its reason
   */
  seek(ids: Iterable<string>, signal: AbortSignal): Promise<void> {
    return this.#settling.seek(ids, signal);
  }

  /**
   * Waits until everything has arrived that the broker has sent so far, or until our connection is known to be lost: a
   * dead connection may appear alive for a long time. Also resolves when the signal is aborted.
   */
  async heard(signal: AbortSignal): Promise<void> {
    await unlessAborted(
      signal,
      this.connection.ping().catch(() => undefined),
    );
  }

  /** Whether the retained messages have arrived, as defined at `settled`. */
  get isSettled(): boolean {
    return this.#settling.isSettled;
  }

  /** Whether retained messages are still arriving. */
  get isReceiving(): boolean {
    return this.#settling.isReceiving;
  }

  /**
   * Ends the connection. Its status is `disconnected` at once; no socket, listener or timer remains when this resolves.
   */
  async close(): Promise<void> {
    clearInterval(this.#refreshing);
    this.locks.close();
    this.#settling.close();
    await this.connection.close();
  }

  #connectionChanged(status: ConnectionStatus): void {
    this.#refused = new Map();
    clearInterval(this.#refreshing);
    if (status.state === 'connected') {
      this.#refreshing = setInterval(() => this.#refresh(), REFRESH).unref();
      this.#settling.begin();
      this.#connectionNumber += 1;
      this.registry.forgetStates();
    } else {
      this.#settling.end();
      if (this.#restored) this.registry.tellConnection({ value: 'lost', heardAt: this.connection.heardAt });
      this.#restored = false;
    }
    this.emit('status', status);
  }

  /** Keeps known how old what arrives can be, while a job watches a device that it has. */
  #refresh(): void {
    if (this.registry.watched.some((id) => this.locks.holder(id) !== undefined)) this.connection.refresh();
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
    void this.#settling.subscribed();
  }
}
