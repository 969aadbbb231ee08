/** A process with a bare mqtt.js client, as the baseline. */
import mqtt from 'mqtt';
import { readFile } from 'node:fs/promises';
import { measureCost, now, serve, type Cost } from '../process';
import type { Image } from '../scene';

interface Publishes {
  readonly image: Image;
  /** Ids. */
  readonly devices: readonly string[];
  /** Number of devices in parallel. */
  readonly concurrency: number;
  /** Whether a device keeps its slot until it is ready again, or only until the broker acknowledges its image. */
  readonly waits: boolean;
}

let client: mqtt.MqttClient;
/** Callbacks for devices that become ready, by the topic of their state. */
const waiting = new Map<string, () => void>();

export const tasks = serve({
  /** Connects. @param follows whether to receive the progress of the devices, as the package does */
  open: async ({ url, follows = false }: { url: string; follows?: boolean }): Promise<void> => {
    client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
    client.on('message', (topic, payload, { retain }) => {
      if (!retain && payload.toString() === 'ready') waiting.get(topic)?.();
    });
    await client.subscribeAsync(['homie/+/$state', ...(follows ? ['homie/+/$implementation/ota/status'] : [])]);
  },
  /** Publishes an image to devices. `publishedAt` is the time of the first call, in ms of `now`. */
  publish: async ({ image, devices, concurrency, waits }: Publishes): Promise<{ publishedAt: number; cost: Cost }> => {
    const end = measureCost();
    const payload = await readFile(image.file);
    const left = devices.map((id) => `homie/${id}`);
    const publishedAt = now();
    const loop = async (): Promise<void> => {
      for (let device = left.shift(); device !== undefined; device = left.shift()) {
        const state = `${device}/$state`;
        const ready = waits ? new Promise<void>((resolve) => waiting.set(state, resolve)) : undefined;
        await client.publishAsync(`${device}/$implementation/ota/firmware/${image.md5}`, payload, { qos: 1 });
        await ready;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, loop));
    return { publishedAt, cost: end() };
  },
  close: (): Promise<void> => client.endAsync(),

  /** Publishes what real devices retain. Returns the number of messages. */
  retain: async ({ url, devices }: { url: string; devices: number }): Promise<number> => {
    client = await mqtt.connectAsync(url, { protocolVersion: 5 });
    let messages = 0;
    for (let index = 1; index <= devices; index += 1) {
      const topics = retainedBy(index);
      messages += topics.length;
      await Promise.all(
        topics.map(([topic, text]) => client.publishAsync(`homie/bench-${index}/${topic}`, text, { retain: true })),
      );
    }
    // The broker acknowledges this message after all earlier ones.
    await client.publishAsync('bench/filled', '', { qos: 1 });
    await client.endAsync();
    return messages;
  },
  /**
   * Counts retained messages. Subscribes to one filter at a time, because mosquitto drops messages if all filters are
   * in one packet. Returns ms from the connect call to the last message.
   */
  receive: async (input: { url: string; messages: number; filters: readonly string[] }): Promise<{ time: number }> => {
    const begunAt = now();
    client = mqtt.connect(input.url, { protocolVersion: 5, reconnectPeriod: 0 });
    let left = input.messages;
    const received = new Promise<void>((resolve) => {
      client.on('message', () => {
        if ((left -= 1) === 0) resolve();
      });
    });
    await new Promise<void>((resolve) => void client.once('connect', () => resolve()));
    const subscribe = async (): Promise<void> => {
      for (const filter of input.filters) await client.subscribeAsync(filter);
    };
    const subscribed = subscribe();
    await received;
    const time = now() - begunAt;
    // The messages of the last filter can arrive before its acknowledgement.
    await subscribed;
    await client.endAsync();
    return { time };
  },
});

/** Returns the 17 retained topics of a device, with their texts. */
function retainedBy(index: number): [topic: string, text: string][] {
  const mac = index.toString(16).padStart(12, '0');
  const config = { name: `lamp-${index}`, wifi: { ssid: 'home' }, settings: { greeting: 'y'.repeat(200) } };
  return [
    ['$homie', '3.0.1'],
    ['$name', `Lamp number ${index}`],
    ['$mac', mac],
    ['$fw/name', 'bench'],
    ['$fw/version', '1.0.0'],
    ['$fw/checksum', mac.padStart(32, 'f')],
    ['$implementation', 'esp8266'],
    ['$implementation/version', '3.0.0'],
    ['$implementation/config', JSON.stringify(config)],
    ['$implementation/config/set', '{}'],
    ['$implementation/ota/enabled', 'true'],
    ['$implementation/ota/status', '200'],
    ['$localip', `10.0.${index >> 8}.${index & 255}`],
    ['$stats/signal', '80'],
    ['$stats/interval', '65'],
    ['$stats/uptime', String(index)],
    ['$state', 'ready'],
  ];
}
