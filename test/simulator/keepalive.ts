/** Interval at which lwIP polls each connection, in ms. */
const POLL = 500;
/** Minimum number of polls in a keepalive, for a short one. */
const POLLS = 30;

/**
 * The keepalive of AsyncMqttClient 0.8.2 and 0.9.0 (AsyncMqttClient.cpp, _onPoll). The client sends a PINGREQ when it
 * has sent or received nothing for 70 % of the keepalive, and no second one before the answer. The PINGRESP arrives
 * behind an image on the same TCP connection. If the image keeps the device busy for twice the keepalive after the
 * PINGREQ, the client considers the connection dead. With 15 s, a transfer may take about 40 s.
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
   * @param disconnect sends a DISCONNECT and ends the connection, so that the broker does not publish the will
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

  /** Notes that the device has processed something from the broker. @param answer whether it was the PINGRESP */
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
