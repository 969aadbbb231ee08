import { EventEmitter, once } from 'node:events';
import mqtt from 'mqtt';

/** One message as the broker delivered it. */
export interface Seen {
  readonly topic: string;
  readonly payload: Buffer;
  /** False when it was delivered as retained: then it tells what was. */
  readonly live: boolean;
}

/**
 * Reads along at the broker, and knows nothing of the package: what it has seen is evidence of its own.
 */
export class Observer extends EventEmitter<{ seen: [Seen] }> {
  readonly #client: mqtt.MqttClient;
  readonly #last = new Map<string, string>();
  /** The messages that carried firmware, in their order. */
  readonly firmware: { readonly topic: string; readonly bytes: number }[] = [];

  /** The patches that were sent to devices, in their order. A device empties the topic, which is none. */
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

  /** The last text that was seen at a topic. */
  last(topic: string): string | undefined {
    return this.#last.get(topic);
  }

  /** Waits until what was seen makes `isSo` true; rejects when it does not within 10 s. */
  async until(isSo: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(10_000);
    while (!isSo()) await once(this, 'seen', { signal });
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }
}
