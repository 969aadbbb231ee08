import type { Connection } from '../mqtt/connection';
import { plainText } from '../plain-text';
import { isDeviceId } from './device-id';
import { normalizeBaseTopic } from './topics';
import { untilQuiet } from './until-quiet';

/** The most levels of a base topic that are looked for. */
const MAX_LEVELS = 3;

/** How long what is retained is waited for, in ms. */
const PATIENCE = 10_000;

/** So many base topics are told, and so many are counted. */
const MOST = 5;
const MOST_COUNTED = 1000;

/**
 * Looks for devices under any base topic of up to three levels, by what is retained at `$homie`, which every Homie device
 * publishes.
 *
 * @param connection that is connected; its subscriptions are as before when this resolves
 * @returns base topics with their trailing slash, those with the most devices first, and whether all was
 * looked at: the broker allowed it, and sent all in time
 */
export async function findBaseTopics(
  connection: Connection,
): Promise<{ readonly found: string[]; readonly isComplete: boolean }> {
  let isComplete = false;
  let last = 0;
  const counts = new Map<string, number>();
  const hear = (topic: string, payload: Buffer, retained: boolean): void => {
    if (retained) last = performance.now();
    const levels = topic.split('/');
    const [id = '', name] = levels.slice(-2);
    if (!retained || payload.length === 0 || name !== '$homie' || !isDeviceId(id)) return;
    const base = topic.slice(0, -`${id}/$homie`.length);
    const count = counts.get(base);
    if (count !== undefined || (counts.size < MOST_COUNTED && isUsable(base))) counts.set(base, (count ?? 0) + 1);
  };
  const filters = Array.from({ length: MAX_LEVELS }, (_none, levels) => `${'+/'.repeat(levels + 2)}$homie`);
  connection.on('message', hear);
  try {
    const refused = await connection.subscribe(filters);
    isComplete = await untilQuiet({ lastAt: () => last, atMost: PATIENCE }, new AbortController().signal);
    isComplete &&= refused.size === 0;
  } finally {
    connection.off('message', hear);
    await connection.unsubscribe(filters);
  }
  const found = [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST)
    .map(([base]) => base);
  return { found, isComplete };
}

/** Whether it can be offered to people: anybody may have made it up. */
function isUsable(base: string): boolean {
  try {
    return normalizeBaseTopic(base) === base && plainText(base) === base;
  } catch {
    return false;
  }
}
