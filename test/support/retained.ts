import { isDeepStrictEqual } from 'node:util';
import { connectAsync } from 'mqtt';

/** Every topic that a broker has retained, as two readings say alike: aedes may miss some on a busy machine. */
export async function retainedTopics(url: string): Promise<string[]> {
  let before: string[] | undefined;
  for (;;) {
    const now = await readRetained(url);
    if (before !== undefined && isDeepStrictEqual(new Set(now), new Set(before))) return now;
    before = now;
  }
}

async function readRetained(url: string): Promise<string[]> {
  const client = await connectAsync(url, { protocolVersion: 4 });
  const topics: string[] = [];
  // What is published after the subscription comes after what is retained, but for aedes on a busy machine.
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
