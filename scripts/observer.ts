import { EventEmitter, once } from 'node:events';
import mqtt from 'mqtt';

/** A message as the broker delivered it. */
export interface Seen {
  readonly topic: string;
  readonly payload: Buffer;
  /** False for a retained message, which shows a former state. */
  readonly live: boolean;
}

/**
 * Records messages at the broker. It does not depend on the package, so that what it sees is independent evidence.
 */
export class Observer extends EventEmitter<{ seen: [Seen] }> {
  readonly #client: mqtt.MqttClient;
  readonly #last = new Map<string, string>();
  /** The firmware messages, in order. */
  readonly firmware: { readonly topic: string; readonly bytes: number }[] = [];

  /**
   * The patches that were sent to devices, in order. The empty message by which a device clears the topic is not one.
   */
  readonly patches: { readonly topic: string }[] = [];

  private constructor(client: mqtt.MqttClient) {
    super();
    this.#client = client;
    client.on('message', (topic, payload, { retain }) => {
      if (topic.includes('/$implementation/ota/firmware/')) this.firmware.push({ topic, bytes: payload.length });
      else if (topic.endsWith('/$implementation/config/set') && !retain && payload.length > 0)
        this.patches.push({ topic });
      else this.#last.set(topic, payload.toString());
      this.emit('seen', { topic, payload, live: !retain });
    });
  }

  static async open(url: string, topics: string[]): Promise<Observer> {
    const client = await mqtt.connectAsync(url, { clientId: 'observer' });
    const observer = new Observer(client);
    await client.subscribeAsync(topics, { qos: 1 });
    return observer;
  }

  /** Returns the last text of a topic. */
  last(topic: string): string | undefined {
    return this.#last.get(topic);
  }

  /** Waits until `isSo` returns true, which is checked at each message; rejects after 10 s. */
  async until(isSo: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(10_000);
    while (!isSo()) await once(this, 'seen', { signal });
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }
}
