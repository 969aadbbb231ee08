import { EventEmitter, once } from 'node:events';
import { connectAsync, type MqttClient } from 'mqtt';
import { buildEsp8266Image } from '../support/images';
import { type DeviceOptions, SimulatedDevice } from './device';
import { md5 } from '../support/md5';

export const running = buildEsp8266Image({ name: 'my-light', version: '1.0.0', seed: 1 });
export const next = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 60_000, seed: 2 });
/** A device, and the messages that a subscriber receives from it. */
export class Scene extends EventEmitter<{ message: [] }> {
  readonly device: SimulatedDevice;
  readonly #client: MqttClient;
  /** `topic payload`, with the topic relative to the device's. */
  readonly seen: string[] = [];

  constructor(device: SimulatedDevice, client: MqttClient) {
    super();
    this.device = device;
    this.#client = client;
    const root = `${device.baseTopic}${device.id}/`;
    client.on('message', (topic, payload) => {
      this.seen.push(`${topic.slice(root.length)} ${payload.toString()}`);
      this.emit('message');
    });
  }

  static async open(url: string, options: Partial<DeviceOptions> = {}): Promise<Scene> {
    const client = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 });
    const scene = new Scene(new SimulatedDevice({ url, id: 'lamp', image: running, ...options }), client);
    for (const filter of [
      '$state',
      '$online',
      '$mac',
      '$description',
      '$fw/+',
      '$stats/uptime',
      'light/on',
      '$implementation/+',
      '+/ota/status',
    ])
      await client.subscribeAsync(`${scene.device.baseTopic}${scene.device.id}/${filter}`, { qos: 1 });
    await scene.device.start();
    if (!options.misbehavior?.noStatistics) await scene.sees(/^\$stats\/uptime /);
    return scene;
  }

  /** Waits for the next message that matches, after the ones that were returned or skipped before. */
  async sees(like: string | RegExp): Promise<string> {
    const matches = (text: string) => (typeof like === 'string' ? text === like : like.test(text));
    for (;;) {
      const at = this.seen.findIndex(matches);
      if (at >= 0) return this.seen.splice(0, at + 1).at(-1) ?? '';
      await once(this, 'message');
    }
  }

  async publish(topic: string, payload: Buffer | string): Promise<void> {
    await this.#client.publishAsync(`${this.device.baseTopic}${this.device.id}/${topic}`, payload, { qos: 1 });
  }

  update(image = next): Promise<void> {
    return this.publish(`$implementation/ota/firmware/${md5(image)}`, image);
  }

  async close(): Promise<void> {
    await this.device.stop();
    await this.#client.endAsync(true);
  }
}
