import { connectAsync } from 'mqtt';

/** Every topic that a broker has retained: aedes may miss some where there are hundreds. */
export async function retainedTopics(url: string): Promise<string[]> {
  const client = await connectAsync(url, { protocolVersion: 4 });
  const topics: string[] = [];
  // What is published after the subscription comes after what is retained.
  const mark = 'mark/of/the/end';
  const all = new Promise<void>((resolve) => {
    client.on('message', (topic, payload, { retain }) => {
      if (topic === mark) resolve();
      else if (retain && payload.length > 0) topics.push(topic);
    });
  });
  await client.subscribeAsync('#');
  await client.publishAsync(mark, 'x', { qos: 1 });
  await all;
  await client.endAsync();
  return topics;
}

/** Resolves when the broker has all of these topics retained. */
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
