import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { HomieError } from '../errors';
import { clientOptions, type ConnectionOptions } from './options';
import { closedWithoutWord, explain, refusesVersion, type ConnectionEnd } from './reason';
import type { Published, PublishOptions } from './publish-queue';
import { Session, type Lack } from './session';

export type { ConnectionOptions } from './options';
export type { Published, PublishOptions } from './publish-queue';
export type { Lack } from './session';

export type ConnectionStatus =
  | { readonly state: 'connecting' }
  | {
      readonly state: 'connected';
      readonly protocolVersion: 4 | 5;
      /** In bytes, where the broker says so (MQTT 5). */
      readonly maximumPacketSize?: number;
      /** SUBSCRIBE_REFUSED: the broker withholds some of what is to be received. */
      readonly refusal?: HomieError;
      /** What is retained still comes, and takes long. */
      readonly receiving?: true;
      /** Left out where that is nothing. */
      readonly lacks?: readonly Lack[];
    }
  | { readonly state: 'disconnected'; readonly error: HomieError };

/** A connection that stood for so long was a good one: the next reconnect comes at once again. In ms. */
const GOOD = 10_000;

/**
 * A connection to a broker that reconnects indefinitely.
 *
 * Emits `status` at every change, `subscribed` when the broker has acknowledged the subscriptions of a new connection, with
 * the reason codes of those that it refused, `message` for each message, and `skipped` instead for one of more than 32 MiB.
 * While it reconnects the status stays `disconnected` and says why.
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
  /** The version that worked last, unless it was 3.1.1 only because the broker closed the connection at a CONNECT of 5. */
  #known: 4 | 5 | undefined;
  #failures = 0;
  #heardAt = performance.now();
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** @throws {HomieError} BROKER_SETTINGS */
  constructor(options: ConnectionOptions) {
    super();
    this.#options = options;
    this.#clientId = options.clientId || `homie-ota-${randomBytes(6).toString('hex')}`;
    // Throws now what would be thrown at each attempt.
    clientOptions(options, 5, this.#clientId);
    this.#backoff = options.reconnect ?? { min: 1000, max: 30_000 };
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** When something last came from the broker, in ms of `performance.now()`. */
  get heardAt(): number {
    return this.#session?.heardAt ?? this.#heardAt;
  }

  /** Begins to connect. To be called once. */
  connect(): void {
    this.#become({ state: 'connecting' });
    this.#attempt(this.#firstVersion());
  }

  /**
   * Subscribes with QoS 0, now and at every reconnect.
   *
   * @returns resolves when the broker has acknowledged, or at once while there is no connection: the reason codes of those
   * that it refused
   */
  async subscribe(filters: readonly string[]): Promise<ReadonlyMap<string, number>> {
    for (const filter of filters) this.#filters.add(filter);
    if (this.#status.state !== 'connected' || this.#session === undefined) return new Map();
    return this.#session.subscribe(filters);
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    for (const filter of filters) this.#filters.delete(filter);
    if (this.#status.state === 'connected') await this.#session?.unsubscribe(filters);
  }

  /**
   * Publishes once: it is never queued while there is no connection, and never repeated. It waits until what was published
   * before is acknowledged or given up; `timeout` counts from there. When it passes, the connection is cut and made again.
   *
   * @returns resolves with QoS 1 when the broker has acknowledged, with QoS 0 when it is written
   * @throws {HomieError} NOT_CONNECTED: nothing was sent, also where it made no sense any more when its turn came. PACKET_TOO_LARGE: the broker takes no message of this size.
   * PUBLISH_DENIED, PUBLISH_REFUSED: the broker did not take it. CONNECTION_LOST, PUBLISH_TIMEOUT: whether the broker has it
   * is not known
   */
  async publish(topic: string, payload: Buffer | string, options: PublishOptions): Promise<Published> {
    if (this.#status.state !== 'connected' || this.#session === undefined) throw new HomieError('NOT_CONNECTED');
    return this.#session.publish(topic, payload, options);
  }

  /**
   * Asks the broker for a sign of life (MQTT 5, section 3.12). A connection keeps the order of what goes over it: when the
   * answer comes, all that the broker had sent before has come, too.
   *
   * @throws {HomieError} NOT_CONNECTED; CONNECTION_LOST when the connection ends before the answer
   */
  async ping(): Promise<void> {
    if (this.#status.state !== 'connected' || this.#session === undefined) throw new HomieError('NOT_CONNECTED');
    return this.#session.ping();
  }

  /** Ends the connection for good. It is `disconnected` at once; no socket, listener or timer stays when this resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    // Nothing can be sent from here on: whoever tries again and again while it is connected must not do so now.
    this.#become({ state: 'disconnected', error: new HomieError('NOT_CONNECTED') });
    await this.#session?.close();
  }

  /** @param isFallback whether the broker did not say that it refuses the other version: it may only have been restarting */
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
      return; // The connection is gone, and its end is told elsewhere.
    }
    if (this.#session === session) this.emit('subscribed', refused);
  }

  /** After the end of an attempt or a connection. */
  #next(version: 4 | 5, end: ConnectionEnd): void {
    if (this.#options.protocolVersion === 'auto' && !end.opened && version === this.#firstVersion()) {
      const other = version === 5 ? 4 : 5;
      const isRefused = refusesVersion(end);
      if (isRefused || (version === 5 && this.#known === undefined && closedWithoutWord(end))) {
        this.#attempt(other, !isRefused);
        return;
      }
    }
    this.#become({ state: 'disconnected', error: explain(end, this.#known !== undefined) });
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
