import { isDeepStrictEqual } from 'node:util';
import { connectAsync } from 'mqtt';

/**
 * Returns all topics with a retained message. Reads until two readings agree: aedes may miss some on a busy machine.
 */
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
  // A message published after the subscription arrives after the retained ones, except from aedes on a busy machine.
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
