import type { Connection } from '../mqtt/connection';
import { plainText } from '../plain-text';
import { isDeviceId } from './device-id';
import { CONVENTION_5, normalizeBaseTopic } from './topics';
import { DESCRIPTION, readDescription } from './values';
import { untilQuiet } from './until-quiet';

/** The most levels of a base topic that are searched. */
const MAX_LEVELS = 3;

/** How long to wait for retained messages, in ms. */
const PATIENCE = 10_000;

/** How many base topics are reported at most, and how many are counted. */
const MOST = 5;
const MOST_COUNTED = 1000;

/**
 * Looks for devices under any base topic of up to three levels, by retained `$homie` topics, which every device up to
 * convention 4 publishes, and by `+/5/+/$description`, which those of convention 5 publish.
 *
 * @param connection must be connected; has its earlier subscriptions when this resolves
 * @param within if given, looks only for devices of convention 5 that belong to this base topic
 * @returns up to five base topics with their trailing slash, those with the most devices first, and whether the search
 *   was complete: the broker allowed it, and sent everything within 10 s
 */
export async function findBaseTopics(
  connection: Connection,
  within?: string,
): Promise<{ readonly found: string[]; readonly isComplete: boolean }> {
  let isComplete = false;
  let last = 0;
  const counts = new Map<string, number>();
  const hear = (topic: string, payload: Buffer, retained: boolean): void => {
    if (retained) last = performance.now();
    const levels = topic.split('/');
    const [id = '', name] = levels.slice(-2);
    if (!retained || payload.length === 0 || name === undefined || !isDeviceId(id)) return;
    const base = topic.slice(0, -`${id}/${name}`.length);
    if (name === DESCRIPTION ? !isUpdatable(base, payload) : name !== '$homie') return;
    const count = counts.get(base);
    if (count !== undefined || (counts.size < MOST_COUNTED && isUsable(base))) counts.set(base, (count ?? 0) + 1);
  };
  const others = Array.from({ length: MAX_LEVELS }, (_none, levels) => `${'+/'.repeat(levels + 2)}$homie`);
  const filters = [...(within === undefined ? others : []), `${within ?? '+/'}${CONVENTION_5}+/${DESCRIPTION}`];
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

/** The extension of the fork, which adds what an update needs to convention 5 (labodj/homie-esp8266 4.0.0). */
const EXTENSION = 'io.github.labodj.esp-runtime';

/** Returns whether a `$description` is that of a device which this package can update. Others use convention 5, too. */
function isUpdatable(base: string, description: Buffer): boolean {
  const extensions: unknown = Reflect.get(Object(readDescription(description)), 'extensions');
  const listed: readonly unknown[] = Array.isArray(extensions) ? extensions : [];
  return (
    base.endsWith(`/${CONVENTION_5}`) && listed.some((each) => typeof each === 'string' && each.startsWith(EXTENSION))
  );
}

/** Returns whether a base topic can be offered to people: anybody may have made it up. */
function isUsable(base: string): boolean {
  try {
    return normalizeBaseTopic(base) === base && plainText(base) === base;
  } catch {
    return false;
  }
}
