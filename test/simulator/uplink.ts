import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Link, type LinkOptions } from './link';

interface UplinkEvents {
  /** A connection is being made. */
  link: [link: Link];
  /** The connection has ended, or did not come about; the next one will be tried. */
  lost: [error: Error | undefined];
}

/** Keeps a running device connected, and remembers the sockets that it left open when it died. */
export class Uplink extends EventEmitter<UplinkEvents> {
  readonly #options: () => LinkOptions;
  readonly #backoff: number;
  readonly #links = new Set<Link>();
  #current: Link | undefined;
  #running = new AbortController();
  /** Connections that were tried since the last one that came about. */
  #attempts = 0;

  /**
   * @param options asked again for each connection
   * @param backoff ms
   */
  constructor(options: () => LinkOptions, backoff = 1000) {
    super();
    this.#options = options;
    this.#backoff = backoff;
  }

  get current(): Link | undefined {
    return this.#current;
  }

  /** Connects after so many milliseconds, and from then on again whenever the connection is lost. */
  start(milliseconds: number): void {
    this.#attempts = 0;
    void this.#connectAfter(milliseconds);
  }

  /** Connects no more. The sockets stay as they are. */
  stop(): void {
    this.#running.abort();
    this.#running = new AbortController();
    this.#current = undefined;
  }

  /** Closes every socket. @returns resolves when nothing is left of them */
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
    // The broker has thrown out whatever this device left open before.
    for (const other of this.#links) if (other !== link) other.destroy();
  }

  #closed(link: Link, error: Error | undefined): void {
    this.#links.delete(link);
    if (this.#current !== link) return;
    this.#current = undefined;
    const { signal } = this.#running;
    this.emit('lost', error);
    if (signal.aborted) return;
    // At once, then after 1, 4, 9 … 36 s: homie-esp8266 ExponentialBackoffTimer.cpp.
    const pauses = Math.min(this.#attempts, 6) ** 2;
    this.#attempts += 1;
    void this.#connectAfter(pauses * this.#backoff);
  }
}
