import type { MqttClient } from 'mqtt';
import { HomieError } from '../errors';

/**
 * The pings of one network connection whose answers are awaited. All pings are counted, because a PINGRESP does not say
 * which PINGREQ it answers, and mqtt.js sends some of its own to keep the connection alive.
 */
export class Pings {
  readonly #client: MqttClient;
  #sent = 0;
  #answered = 0;
  /** When each ping that is not answered was sent, in ms of `performance.now()`. */
  readonly #sentAt: number[] = [];
  #freshSince = performance.now();
  /** By the number of the ping. */
  readonly #awaited = new Map<number, { readonly resolve: () => void; readonly reject: (error: HomieError) => void }>();

  constructor(client: MqttClient) {
    this.#client = client;
    client.on('packetsend', ({ cmd }) => {
      if (cmd !== 'pingreq') return;
      this.#sent += 1;
      this.#sentAt.push(performance.now());
    });
    client.on('packetreceive', ({ cmd }) => {
      if (cmd === 'pingresp') this.#answer();
    });
  }

  /**
   * The broker sent whatever is read from now on after this time, in ms of `performance.now()`: when the last ping was
   * sent that has been answered; before the first one, when the connection was opened.
   */
  get freshSince(): number {
    return this.#freshSince;
  }

  /** Whether a ping is not answered yet. */
  get areAwaited(): boolean {
    return this.#sentAt.length > 0;
  }

  /**
   * Sends a ping, and resolves when it is answered.
   *
   * @throws {HomieError} CONNECTION_LOST: the connection ended before the answer
   */
  send(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.sendPing();
      this.#awaited.set(this.#sent, { resolve, reject });
    });
  }

  /** Rejects the pings that are not answered, because the connection has ended. */
  end(): void {
    for (const { reject } of this.#awaited.values()) reject(new HomieError('CONNECTION_LOST'));
  }

  #answer(): void {
    this.#answered += 1;
    this.#freshSince = this.#sentAt.shift() ?? this.#freshSince;
    this.#awaited.get(this.#answered)?.resolve();
    this.#awaited.delete(this.#answered);
  }
}
