/** lwIP polls each connection so often; ms. */
const POLL = 500;
/** Polls in a keepalive at least, where that is short. */
const POLLS = 30;

/**
 * The keepalive of AsyncMqttClient 0.8.2 and 0.9.0 (AsyncMqttClient.cpp, _onPoll): a PINGREQ when nothing was sent, or
 * nothing came, for 70 % of the keepalive; no second one before the answer. The PINGRESP comes on the same TCP connection
 * as an image, behind it: while the device is busy with the image for longer than twice the keepalive after the PINGREQ,
 * the client takes the connection for dead. With 15 s, a transfer may take some 40 s.
 */
export class Keepalive {
  readonly #milliseconds: number;
  readonly #timer: NodeJS.Timeout;
  readonly #ping: () => void;
  readonly #disconnect: () => void;
  #sentAt = performance.now();
  #receivedAt = performance.now();
  #pingedAt: number | undefined;

  /**
   * @param seconds as in the CONNECT
   * @param ping sends a PINGREQ
   * @param disconnect sends a DISCONNECT and ends the connection: the broker forgets the will
   */
  constructor(seconds: number, ping: () => void, disconnect: () => void) {
    this.#milliseconds = seconds * 1000;
    this.#ping = ping;
    this.#disconnect = disconnect;
    this.#timer = setInterval(() => this.#poll(), Math.min(POLL, this.#milliseconds / POLLS));
  }

  sent(): void {
    this.#sentAt = performance.now();
  }

  /** Something was dealt with that the broker had sent. @param answer it was the PINGRESP */
  received(answer = false): void {
    this.#receivedAt = performance.now();
    if (answer) this.#pingedAt = undefined;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #poll(): void {
    const now = performance.now();
    if (this.#pingedAt !== undefined) {
      if (now - this.#pingedAt >= 2 * this.#milliseconds) this.#disconnect();
      return;
    }
    if (now - Math.min(this.#sentAt, this.#receivedAt) < 0.7 * this.#milliseconds) return;
    this.#pingedAt = now;
    this.#ping();
  }
}
