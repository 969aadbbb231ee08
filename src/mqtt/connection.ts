import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { HomieError } from '../errors';
import { addressOf, clientOptions, type BrokerAddress, type ConnectionOptions } from './options';
import { closedWithoutWord, explain, refusesVersion, type ConnectionEnd } from './reason';
import type { Published, PublishOptions } from './publish-queue';
import { Session, type Lack } from './session';

export type { ConnectionOptions } from './options';
export type { Published, PublishOptions } from './publish-queue';
export type { Lack } from './session';

/** The state of a connection. */
export type ConnectionStatus =
  | { readonly state: 'connecting' }
  | {
      readonly state: 'connected';
      readonly protocolVersion: 4 | 5;
      /** The largest packet that the broker accepts, in bytes, if it says so (MQTT 5). */
      readonly maximumPacketSize?: number;
      /** SUBSCRIBE_REFUSED: the broker refused some of the subscriptions. */
      readonly refusal?: HomieError;
      /** Retained messages are still arriving, and have been for some time. */
      readonly receiving?: true;
      /** Left out if the broker lacks nothing. */
      readonly lacks?: readonly Lack[];
    }
  | { readonly state: 'disconnected'; readonly error: HomieError };

/** Why there was no connection, or no longer one. */
export interface ConnectionFailure {
  readonly error: HomieError;
  /** In ms since 1970. */
  readonly at: number;
}

/** A connection that lasted this long, in ms, resets the pause before the next reconnect to its minimum. */
const GOOD = 10_000;

/**
 * A connection to a broker that reconnects indefinitely.
 *
 * Emits `status` at every change, `message` for each message, and `skipped` instead for a message of more than 32 MiB.
 * Emits `subscribed` when the broker has acknowledged the subscriptions of a new connection, with the reason codes of
 * the filters that it refused. While the connection reconnects, the status stays `disconnected` and says why.
 */
export class Connection extends EventEmitter<{
  status: [ConnectionStatus];
  subscribed: [refused: ReadonlyMap<string, number>];
  message: [topic: string, payload: Buffer, retained: boolean];
  skipped: [topic: string, size: number];
}> {
  readonly #options: ConnectionOptions;
  readonly #clientId: string;
  readonly #backoff: { readonly min: number; readonly max: number };
  readonly #filters = new Set<string>();
  #status: ConnectionStatus = { state: 'disconnected', error: new HomieError('NOT_CONNECTED') };
  #session: Session | undefined;
  /**
   * The version that worked last. A connection with 3.1.1 does not count if it was tried only because the broker closed
   * the connection after a CONNECT of version 5.
   */
  #known: 4 | 5 | undefined;
  #failures = 0;
  #lastFailure: ConnectionFailure | undefined;
  #heardAt = performance.now();
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** @throws {HomieError} BROKER_SETTINGS: the options are invalid */
  constructor(options: ConnectionOptions) {
    super();
    this.#options = options;
    this.#clientId = options.clientId || `homie-ota-${randomBytes(6).toString('hex')}`;
    // Reports invalid options now rather than at each attempt.
    clientOptions(options, 5, this.#clientId);
    this.#backoff = options.reconnect ?? { min: 1000, max: 30_000 };
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** The last failure, even if there is a connection again. */
  get lastFailure(): ConnectionFailure | undefined {
    return this.#lastFailure;
  }

  /** The part of the address that may be published. */
  get address(): BrokerAddress {
    return addressOf(this.#options);
  }

  /** When the broker last sent something, in ms of `performance.now()`. */
  get heardAt(): number {
    return this.#session?.heardAt ?? this.#heardAt;
  }

  /**
   * The broker sent whatever arrives from now on after this time, in ms of `performance.now()`. A link that stalls, or a
   * busy process, can delay a message for long without ending the connection. `refresh` brings this up to date.
   */
  get freshSince(): number {
    return this.#session?.freshSince ?? performance.now();
  }

  /** Pings the broker for `freshSince`, unless that is recent or a ping is not answered yet. */
  refresh(): void {
    this.#session?.refresh();
  }

  /** Starts connecting. Call it once. */
  connect(): void {
    this.#become({ state: 'connecting' });
    this.#attempt(this.#firstVersion());
  }

  /**
   * Subscribes with QoS 0, now and at every reconnect.
   *
   * @returns the reason codes of the filters that the broker refused; resolves when the broker has acknowledged the
   *   subscriptions, or at once while there is no connection; rejects if the connection is lost first
   */
  async subscribe(filters: readonly string[]): Promise<ReadonlyMap<string, number>> {
    for (const filter of filters) this.#filters.add(filter);
    if (this.#status.state !== 'connected' || this.#session === undefined) return new Map();
    return this.#session.subscribe(filters);
  }

  /** Unsubscribes, and does not subscribe to these filters again at a reconnect. */
  async unsubscribe(filters: readonly string[]): Promise<void> {
    for (const filter of filters) this.#filters.delete(filter);
    if (this.#status.state === 'connected') await this.#session?.unsubscribe(filters);
  }

  /**
   * Publishes once. A message is never queued while there is no connection, and never repeated. It goes out in its turn
   * after earlier messages, unless it is urgent, and `timeout` starts when these are acknowledged or given up. If the
   * timeout expires, the connection is cut and then made again.
   *
   * @returns resolves with QoS 1 when the broker has acknowledged the message, with QoS 0 when it is written
   * @throws {HomieError} NOT_CONNECTED: nothing was sent, either without a connection or because `still` returned
   *   false. PACKET_TOO_LARGE: the message is larger than the broker accepts. PUBLISH_DENIED, PUBLISH_REFUSED: the
   *   broker did not accept the message. CONNECTION_LOST, PUBLISH_TIMEOUT: it is unknown whether the broker has the
   *   message
   */
  async publish(topic: string, payload: Buffer | string, options: PublishOptions): Promise<Published> {
    if (this.#status.state !== 'connected' || this.#session === undefined) throw new HomieError('NOT_CONNECTED');
    return this.#session.publish(topic, payload, options);
  }

  /**
   * Pings the broker (MQTT 5, section 3.12). A connection preserves the order of its packets, so when the answer
   * arrives, everything that the broker had sent before has arrived, too.
   *
   * @throws {HomieError} NOT_CONNECTED: there is no connection; CONNECTION_LOST: the connection ended before the answer
   */
  async ping(): Promise<void> {
    if (this.#status.state !== 'connected' || this.#session === undefined) throw new HomieError('NOT_CONNECTED');
    return this.#session.ping();
  }

  /**
   * Ends the connection for good. Its status is `disconnected` at once; no socket, listener or timer remains when this
   * resolves.
   */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    // Nothing can be sent from here on, so code that retries while the status is `connected` must stop now.
    this.#become({ state: 'disconnected', error: new HomieError('NOT_CONNECTED') });
    await this.#session?.close();
  }

  /**
   * @param isFallback whether the broker did not explicitly refuse the other version: it may only have been restarting
   */
  #attempt(version: 4 | 5, isFallback = false): void {
    let openedAt: number | undefined;
    const session = new Session(this.#options, version, this.#clientId, {
      opened: (maximumPacketSize, lacks) => {
        if (this.#closed) return;
        openedAt = performance.now();
        if (!isFallback) this.#known = version;
        this.#become({
          state: 'connected',
          protocolVersion: version,
          ...(maximumPacketSize !== undefined && { maximumPacketSize }),
          ...(lacks.length > 0 && { lacks }),
        });
        void this.#renew(session);
      },
      message: (topic, payload, retained) => this.emit('message', topic, payload, retained),
      skipped: (topic, size) => this.emit('skipped', topic, size),
      closed: (end) => {
        if (this.#session === session) this.#session = undefined;
        this.#heardAt = session.heardAt;
        if (this.#closed) return;
        if (openedAt !== undefined && performance.now() - openedAt >= GOOD) this.#failures = 0;
        this.#next(version, end);
      },
    });
    this.#session = session;
    session.open();
  }

  async #renew(session: Session): Promise<void> {
    let refused: ReadonlyMap<string, number>;
    try {
      refused = await session.subscribe([...this.#filters]);
    } catch {
      return; // `closed` reports the end of the connection.
    }
    if (this.#session === session) this.emit('subscribed', refused);
  }

  /** Decides what follows the end of an attempt or a connection: the other version, or a pause and a reconnect. */
  #next(version: 4 | 5, end: ConnectionEnd): void {
    if (this.#options.protocolVersion === 'auto' && !end.opened && version === this.#firstVersion()) {
      const other = version === 5 ? 4 : 5;
      const isRefused = refusesVersion(end);
      if (isRefused || (version === 5 && this.#known === undefined && closedWithoutWord(end))) {
        this.#attempt(other, !isRefused);
        return;
      }
    }
    const error = explain(end, this.#known !== undefined);
    this.#lastFailure = { error, at: Date.now() };
    this.#become({ state: 'disconnected', error });
    const { min, max } = this.#backoff;
    const pause = Math.min(max, min * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#attempt(this.#firstVersion()), pause * (1 - Math.random() / 4));
  }

  #firstVersion(): 4 | 5 {
    const { protocolVersion } = this.#options;
    return protocolVersion === 'auto' ? (this.#known ?? 5) : protocolVersion;
  }

  #become(status: ConnectionStatus): void {
    this.#status = status;
    this.emit('status', status);
  }
}
