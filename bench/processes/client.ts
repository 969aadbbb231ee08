/** A process with a bare mqtt.js client: the baseline of what the package sends. */
import { readFile } from 'node:fs/promises';
import mqtt from 'mqtt';
import { NAME, type ImageFile } from '../images';
import { now, serve } from '../process';

let client: mqtt.MqttClient | undefined;

export interface PublishInput {
  readonly image: ImageFile;
  /** The first so many devices. */
  readonly count: number;
  /** Publishes under way at once. */
  readonly concurrency: number;
}

export const handlers = serve({
  open: async (url: string): Promise<void> => {
    client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
  },
  /** Publishes an image to devices. @returns when the first call was made, in ms of `now` */
  publish: async ({ image, count, concurrency }: PublishInput): Promise<number> => {
    const payload = await readFile(image.file);
    const topics = Array.from(
      { length: count },
      (_, index) => `homie/${NAME}-${index + 1}/$implementation/ota/firmware/${image.md5}`,
    );
    const begunAt = now();
    const loop = async (): Promise<void> => {
      for (let topic = topics.shift(); topic !== undefined; topic = topics.shift()) {
        await client?.publishAsync(topic, payload, { qos: 1 });
      }
    };
    await Promise.all(Array.from({ length: concurrency }, loop));
    return begunAt;
  },
  close: async (): Promise<void> => {
    await client?.endAsync();
  },
});
