/** A process with a bare mqtt.js client: the baseline of what the package sends. */
import { readFile } from 'node:fs/promises';
import mqtt from 'mqtt';
import { NAME, type ImageFile } from '../images';
import { now, serve } from '../process';

let client: mqtt.MqttClient | undefined;
/** What is to be done when a device says that it is ready, by the topic of its state. */
const waiting = new Map<string, () => void>();

export interface PublishInput {
  readonly image: ImageFile;
  /** The first so many devices. */
  readonly count: number;
  /** Devices at once. */
  readonly concurrency: number;
  /** Whether a device keeps its place until it is ready again, or only until the broker has its image. */
  readonly waits: boolean;
}

export const handlers = serve({
  /** @param follows whether it is told how far a device is, too, as the package is */
  open: async ({ url, follows = false }: { url: string; follows?: boolean }): Promise<void> => {
    client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
    client.on('message', (topic, payload, { retain }) => {
      if (!retain && payload.toString() === 'ready') waiting.get(topic)?.();
    });
    await client.subscribeAsync(['homie/+/$state', ...(follows ? ['homie/+/$implementation/ota/status'] : [])]);
  },
  /** Publishes an image to devices. @returns when the first call was made, in ms of `now` */
  publish: async ({ image, count, concurrency, waits }: PublishInput): Promise<number> => {
    const payload = await readFile(image.file);
    const devices = Array.from({ length: count }, (_, index) => `homie/${NAME}-${index + 1}`);
    const begunAt = now();
    const loop = async (): Promise<void> => {
      for (let device = devices.shift(); device !== undefined; device = devices.shift()) {
        const ready = waits ? readyAgain(device) : undefined;
        await client?.publishAsync(`${device}/$implementation/ota/firmware/${image.md5}`, payload, { qos: 1 });
        await ready;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, loop));
    return begunAt;
  },
  close: async (): Promise<void> => {
    await client?.endAsync();
  },
});

function readyAgain(device: string): Promise<void> {
  return new Promise((resolve) => waiting.set(`${device}/$state`, resolve));
}
