/** Finds and clears what the broker has retained in the topic tree of one device. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HomieError } from '../errors';
import { unlessAborted } from '../unless-aborted';
import type { HomieBroker } from './broker';
import { sendToDevice, type Sender } from './gate';
import { untilQuiet } from './until-quiet';

/**
 * How many topics of one device are read, and how many characters in them: whoever may write there may write any
 * number.
 */
const MOST = { topics: 50_000, characters: 4 * 1024 * 1024 };
/** How many topics are processed before other work gets its turn. */
const SLICE = 2000;
/** How long the broker may take to acknowledge one clearing, in ms. */
const CLEARING = 10_000;

export interface Clearing {
  /** Whose topics are cleared, and the job that holds the lock. */
  readonly sender: Pick<Sender, 'broker' | 'device' | 'job'>;
  /** Called when each clearing is handed to the socket; if it returns false, nothing more is cleared. */
  readonly stands: () => boolean;
  /** Receives each topic once it is cleared. */
  readonly cleared: string[];
  readonly signal: AbortSignal;
}

/**
 * Returns the topics below a root that the broker has retained. Finds them by a subscription that ends with this call,
 * because it would bring back every firmware that is published there.
 *
 * @param root base topic and device id
 * @param most how many topics and characters are read
 * @throws {HomieError} CONNECTION_LOST: some topics may be missing; NOT_CLEARED: there are more than are read; the
 *   reason of the signal
 */
export async function retainedBelow(
  broker: Pick<HomieBroker, 'connection' | 'shown'>,
  root: string,
  signal: AbortSignal,
  most = MOST,
): Promise<string[]> {
  const { connection } = broker;
  const filter = `${root}/#`;
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const lose = (): void => failed.abort(connectionLost());
  if (connection.status.state !== 'connected') lose();
  const seen = new Set<string>();
  let characters = 0;
  let last = performance.now();
  const listen = (topic: string, payload: Buffer, retained: boolean): void => {
    if (!retained || payload.length === 0 || !topic.startsWith(`${root}/`)) return;
    last = performance.now();
    if (failed.signal.aborted || seen.has(topic)) return;
    seen.add(topic);
    characters += topic.length;
    if (seen.size > most.topics || characters > most.characters) {
      failed.abort(new HomieError('NOT_CLEARED.tooMany', { root: broker.shown(root) }));
    }
  };
  connection.on('message', listen);
  connection.on('status', lose);
  try {
    await unlessAborted(stop, connection.subscribe([filter]).catch(lose));
    await untilQuiet({ lastAt: () => last }, stop);
  } finally {
    connection.off('message', listen);
    connection.off('status', lose);
    // On a dead connection the answer never arrives, so this ends with the signal, too.
    await unlessAborted(
      signal,
      connection.unsubscribe([filter]).catch(() => undefined),
    );
  }
  return [...seen];
}

/**
 * Returns those topics below a root that belong to it and not to a device below it, sorted.
 *
 * @param others known roots of other devices; further ones are found from the topics
 */
export async function ownTopics(topics: readonly string[], root: string, others: readonly string[]): Promise<string[]> {
  const foreign = new Set(others.map((other) => `${other}/`));
  await inSlices(topics, (topic) => {
    const [end] = stateEnds.filter((each) => topic.endsWith(each));
    if (end !== undefined) foreign.add(topic.slice(0, 1 - end.length));
  });
  foreign.delete(`${root}/`);
  // In this order, topics that start alike are next to each other, so that one pass through each list is enough.
  const roots = [...foreign].filter((other) => other.startsWith(`${root}/`)).sort();
  await nextTurn();
  const sorted = [...topics].sort();
  const own: string[] = [];
  let [next, outermost] = [0, roots[0]];
  await inSlices(sorted, (topic) => {
    for (let other = roots[next]; other !== undefined && other <= topic; other = roots[(next += 1)]) {
      if (outermost === undefined || !other.startsWith(outermost)) outermost = other;
    }
    if (outermost === undefined || !topic.startsWith(outermost)) own.push(topic);
  });
  return own;
}

/** The ends of topics by which a device can be recognized. */
const stateEnds = ['/$state', '/$online', '/$homie'];

/** Works through items in slices, and lets other work have its turn in between. */
async function inSlices<Item>(items: readonly Item[], work: (item: Item) => void): Promise<void> {
  for (let from = 0; from < items.length; from += SLICE) {
    for (const item of items.slice(from, from + SLICE)) work(item);
    await nextTurn();
  }
}

/** Returns the roots of the known devices. */
export function knownRoots({ baseTopic, registry }: HomieBroker): string[] {
  return (
    [...registry.devices.values()]
      // If the base topic is itself a device, the nodes of that device look like devices.
      .filter(({ state, homie }) => state !== undefined || homie !== undefined)
      .map(({ id }) => baseTopic + id)
  );
}

/**
 * Clears topics one by one. The state comes last: as long as it exists, it can show that a device has returned.
 *
 * @returns whether all were cleared
 * @throws {HomieError} why a topic may not be cleared; what `stands` throws; the reason of the signal
 */
export async function clearRetained(
  topics: readonly string[],
  { sender, stands, cleared, signal }: Clearing,
): Promise<boolean> {
  for (const topic of [...topics.filter((each) => !isStateTopic(each)), ...topics.filter(isStateTopic)]) {
    const message = { topic, payload: '', qos: 1, retain: true, timeout: CLEARING } as const;
    const sent = await sendToDevice({ ...sender, abandon: signal, mayBegin: stands }, message);
    if (sent.kind !== 'not_sent' && sent.error !== undefined) throw sent.error;
    signal.throwIfAborted();
    if (sent.kind === 'not_sent') return false;
    cleared.push(topic);
  }
  return true;
}

/** Returns the error for retained topics that could not all be found or cleared. */
export function connectionLost(): HomieError {
  return new HomieError('CONNECTION_LOST.meanwhile');
}

/** Returns whether a topic says whether a device is present. */
export function isStateTopic(topic: string): boolean {
  return topic.endsWith('/$state') || topic.endsWith('/$online');
}
