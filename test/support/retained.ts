import { connectAsync } from 'mqtt';

let readings = 0;

/**
 * Returns all topics with a retained message.
 *
 * A mark shows the end of them, however slow the broker is. Brokers differ in where they place the mark, so it is sent
 * twice: aedes delivers retained messages in the order in which they were stored, so the retained mark comes last, but
 * a message published after the subscription may overtake them. mosquitto delivers retained messages in any order, but
 * before every message that is published after the subscription.
 */
export async function retainedTopics(url: string): Promise<string[]> {
  const mark = `mark/of/the/end/${(readings += 1)}`;
  const client = await connectAsync(url, { protocolVersion: 4 });
  const topics: string[] = [];
  const marks = new Set<boolean>();
  const all = new Promise<void>((resolve) => {
    client.on('message', (topic, payload, { retain }) => {
      if (topic !== mark) return retain && payload.length > 0 && topics.push(topic);
      marks.add(retain);
      return marks.size === 2 && resolve();
    });
  });
  await client.publishAsync(mark, 'retained', { qos: 1, retain: true });
  await client.subscribeAsync('#');
  await client.publishAsync(mark, 'live', { qos: 1 });
  await all;
  await client.publishAsync(mark, '', { qos: 1, retain: true });
  await client.endAsync();
  return topics;
}

/** Waits until the broker has a retained message for each of these topics. */
export async function untilRetained(url: string, topics: readonly string[]): Promise<void> {
  const client = await connectAsync(url, { protocolVersion: 4 });
  const missing = new Set(topics);
  const all = new Promise<void>((resolve) => {
    client.on('message', (topic, payload, { retain }) => {
      if (retain && payload.length > 0) missing.delete(topic);
      if (missing.size === 0) resolve();
    });
  });
  await client.subscribeAsync([...topics]);
  await all;
  await client.endAsync();
}
