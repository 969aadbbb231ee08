/** A process that takes in what is retained: by the package, or by a bare client that counts. */
import mqtt from 'mqtt';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { load } from '../package';
import { now, serve } from '../process';

const { HomieBroker, subscriptions } = load();

export interface Inventory {
  /** From the call that connects to the last message, in ms. */
  readonly time: number;
  /** Bytes of heap that what was received takes. */
  readonly heap: number;
}

interface InventoryInput {
  readonly url: string;
  readonly messages: number;
}

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

function usedHeap(): number {
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}

/** Resolves when the function that it gives out was called so often. */
function countTo(messages: number, give: (count: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    give(() => {
      seen += 1;
      if (seen === messages) resolve();
    });
  });
}

export const handlers = serve({
  registry: async ({ url, messages }: InventoryInput): Promise<Inventory> => {
    const before = usedHeap();
    const begunAt = now();
    const broker = new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/' });
    const reached = countTo(messages, (count) => broker.registry.on('event', count));
    broker.start();
    await reached;
    const time = now() - begunAt;
    await broker.settled();
    const heap = usedHeap() - before;
    await broker.close();
    return { time, heap };
  },
  /** The same subscriptions, one after the other: of all in one mosquitto drops messages. */
  counter: async ({ url, messages }: InventoryInput): Promise<Inventory> => {
    const before = usedHeap();
    const begunAt = now();
    const client = mqtt.connect(url, { protocolVersion: 5, reconnectPeriod: 0 });
    const subscribed = new Promise<void>((resolve, reject) => {
      client.once('connect', () => void subscribe(client).then(resolve, reject));
    });
    await countTo(messages, (count) => client.on('message', count));
    const time = now() - begunAt;
    const heap = usedHeap() - before;
    // The last filter may have brought its messages before its acknowledgement.
    await subscribed;
    await client.endAsync();
    return { time, heap };
  },
});

async function subscribe(client: mqtt.MqttClient): Promise<void> {
  for (const filter of subscriptions('homie/')) await client.subscribeAsync(filter);
}
