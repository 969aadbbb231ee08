import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Link, type LinkOptions } from './link';

interface UplinkEvents {
  /** The device is connecting. */
  link: [link: Link];
  /** The connection has ended or could not be made; the device will try again. */
  lost: [error: Error | undefined];
}

/** Keeps a running device connected, and tracks the sockets that it left open when it died. */
export class Uplink extends EventEmitter<UplinkEvents> {
  readonly #options: () => LinkOptions;
  readonly #backoff: number;
  readonly #links = new Set<Link>();
  #current: Link | undefined;
  #running = new AbortController();
  /** Number of attempts since the last successful connection. */
  #attempts = 0;

  /**
   * @param options called for each connection
   * @param backoff in ms
   */
  constructor(options: () => LinkOptions, backoff = 1000) {
    super();
    this.#options = options;
    this.#backoff = backoff;
  }

  get current(): Link | undefined {
    return this.#current;
  }

  /** Connects after a delay in ms, and reconnects whenever the connection is lost. */
  start(milliseconds: number): void {
    this.#attempts = 0;
    void this.#connectAfter(milliseconds);
  }

  /** Stops connecting. Leaves the sockets as they are. */
  stop(): void {
    this.#running.abort();
    this.#running = new AbortController();
    this.#current = undefined;
  }

  /** Stops connecting and closes every socket. Resolves when all are closed. */
  async close(): Promise<void> {
    this.stop();
    const closed = [...this.#links].map((link) => once(link, 'close'));
    for (const link of this.#links) link.destroy();
    await Promise.all(closed);
  }

  async #connectAfter(milliseconds: number): Promise<void> {
    const { signal } = this.#running;
    await delay(milliseconds, undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) this.#connect();
  }

  #connect(): void {
    const link = new Link(this.#options());
    this.#current = link;
    this.#links.add(link);
    link.once('open', () => this.#opened(link));
    link.once('close', (error) => this.#closed(link, error));
    this.emit('link', link);
  }

  #opened(link: Link): void {
    this.#attempts = 0;
    // The broker has closed the connections that this device left open before.
    for (const other of this.#links) if (other !== link) other.destroy();
  }

  #closed(link: Link, error: Error | undefined): void {
    this.#links.delete(link);
    if (this.#current !== link) return;
    this.#current = undefined;
    const { signal } = this.#running;
    this.emit('lost', error);
    if (signal.aborted) return;
    // At once, then after 1, 4, 9 … 36 s (homie-esp8266 ExponentialBackoffTimer.cpp).
    const pauses = Math.min(this.#attempts, 6) ** 2;
    this.#attempts += 1;
    void this.#connectAfter(pauses * this.#backoff);
  }
}
