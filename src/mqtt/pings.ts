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
  /** By the number of the ping. */
  readonly #awaited = new Map<number, { readonly resolve: () => void; readonly reject: (error: HomieError) => void }>();

  constructor(client: MqttClient) {
    this.#client = client;
    client.on('packetsend', ({ cmd }) => {
      if (cmd === 'pingreq') this.#sent += 1;
    });
    client.on('packetreceive', ({ cmd }) => {
      if (cmd === 'pingresp') this.#answer();
    });
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
    this.#awaited.get(this.#answered)?.resolve();
    this.#awaited.delete(this.#answered);
  }
}
