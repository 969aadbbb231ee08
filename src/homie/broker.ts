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
import type { DeviceWatch } from './watch';

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
  readonly #settling: Settling;
  /** Whether messages of the present connection may come. */
  #restored = false;
  /** Reason codes by filter. */
  #refused: ReadonlyMap<string, number> = new Map();
  #connectionNumber = 0;

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
    this.#settling = new Settling(this.connection, this.registry, this.baseTopic);

    this.#settling.on('changed', () => this.emit('status', this.status));
    this.#settling.on('settled', () => this.emit('settled'));
    this.registry.on('event', (id, event) => this.locks.observe(id, event));
    this.registry.protect((id) => this.locks.isHeld(id));
    this.connection.on('status', (status) => this.#connectionChanged(status));
    this.connection.on('subscribed', (refused) => this.#subscribed(refused));
    this.connection.on('message', (topic, payload, retained) => {
      this.#restore();
      if (retained) this.#settling.received();
      this.registry.receive(topic, payload, retained);
    });
  }

  get status(): ConnectionStatus {
    const { status } = this.connection;
    const { takesLong, needsExactTopics } = this.#settling;
    // Asked for at every look at a device: mostly there is nothing to add.
    if (status.state !== 'connected' || (this.#refused.size === 0 && !takesLong && !needsExactTopics)) return status;
    const refusal = this.refusal();
    return {
      ...status,
      ...(refusal && { refusal }),
      ...(takesLong && { receiving: true }),
      ...(needsExactTopics && { lacks: [...(status.lacks ?? []), 'retainedByWildcard'] }),
    };
  }

  /** Whether the broker was seen to deliver nothing retained for a filter with a wildcard. */
  get needsExactTopics(): boolean {
    return this.#settling.needsExactTopics;
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
    return this.#settling.wait(signal);
  }

  /**
   * Resolves when what is retained of these devices has come, too, at a broker that delivers it for exact topics only; at once
   * at any other. To be called when this has settled.
   *
   * @param signal rejects with its reason
   */
  seek(ids: Iterable<string>, signal: AbortSignal): Promise<void> {
    return this.#settling.seek(ids, signal);
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
    return this.#settling.isSettled;
  }

  /** Whether what is retained is still coming. */
  get isReceiving(): boolean {
    return this.#settling.isReceiving;
  }

  /** Ends the connection, which is `disconnected` at once. No socket, listener or timer stays when this resolves. */
  async close(): Promise<void> {
    this.locks.close();
    this.#settling.close();
    await this.connection.close();
  }

  #connectionChanged(status: ConnectionStatus): void {
    this.#refused = new Map();
    if (status.state === 'connected') {
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
