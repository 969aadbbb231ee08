import type { MqttClient } from 'mqtt';
import { subscribePackets } from './subscribe-packets';

/** The subscriptions of one network connection. */
export class Subscriptions {
  readonly #client: MqttClient;
  /** Number of SUBSCRIBE packets that are not yet acknowledged. */
  #open = 0;
  #ended = false;

  constructor(client: MqttClient) {
    this.#client = client;
    client.on('packetsend', ({ cmd }) => {
      if (cmd === 'subscribe') this.#open += 1;
    });
    client.on('packetreceive', ({ cmd }) => {
      if (cmd === 'suback') this.#open -= 1;
    });
  }

  /** Whether a SUBSCRIBE is not yet acknowledged. */
  get isPending(): boolean {
    return this.#open > 0;
  }

  /**
   * Subscribes with one SUBSCRIBE after the other, each after the one before is acknowledged. Mosquitto drops the
   * retained messages of a SUBSCRIBE that do not fit into its socket and 1000 more (max_queued_messages), at QoS 0 and
   * 1 alike, and acknowledges the SUBSCRIBE after them. With 150,000 retained messages on mosquitto 2.0.11, 15 filters
   * in one SUBSCRIBE lost 62,000 of them, and 15 simultaneous SUBSCRIBEs lost 60,000; one after the other lost none. A
   * filter without a wildcard brings at most one message, so these share a packet.
   *
   * @returns the reason codes of the filters that the broker refused (MQTT 5, section 3.9.3); resolves when all are
   *   acknowledged, rejects if the connection ends first
   */
  async add(filters: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const refused = new Map<string, number>();
    for (const packet of subscribePackets(filters)) {
      const codes = await this.#subscribe(packet);
      for (const [index, filter] of packet.entries()) {
        const code = codes[index] ?? 0;
        if (code >= 0x80) refused.set(filter, code);
      }
    }
    return refused;
  }

  /** Unsubscribes, and resolves when the broker has acknowledged. */
  async remove(filters: readonly string[]): Promise<void> {
    await this.#client.unsubscribeAsync([...filters]);
  }

  /** Notes that the connection has ended. */
  end(): void {
    this.#ended = true;
  }

  /** Returns the codes of a SUBACK that refuses one of the filters; an empty list if none is refused. */
  async #subscribe(filters: string[]): Promise<readonly number[]> {
    try {
      await this.#client.subscribeAsync(filters, { qos: 0 });
      return [];
    } catch (error) {
      if (this.#ended) throw error;
      // mqtt.js rejects if any of the filters is refused.
      const { granted }: { granted?: unknown } = Object(Reflect.get(Object(error), 'packet'));
      return Array.isArray(granted) ? granted.map(Number) : [];
    }
  }
}
