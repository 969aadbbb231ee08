/** What the broker has retained in the tree of one device: how it is found, and cleared. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HomieError } from '../errors';
import { unlessAborted } from '../unless-aborted';
import type { HomieBroker } from './broker';
import { publishToDevice, type Sender } from './gate';
import { untilQuiet } from './until-quiet';

/** How many topics, and characters in them, are taken in of one device: whoever may write its tree may write as many. */
const MOST = { topics: 50_000, characters: 4 * 1024 * 1024 };
/** How many topics are looked at before other work gets its turn. */
const SLICE = 2000;
/** How long the broker may take to acknowledge one clearing, in ms. */
const CLEARING = 10_000;

export interface Clearing {
  /** Whose topics they are, and the job that holds the lock. */
  readonly sender: Pick<Sender, 'broker' | 'device' | 'job'>;
  /** Asked as each clearing is handed to the socket; when it is false, nothing more is cleared. */
  readonly stands: () => boolean;
  /** Takes what is cleared, as it is cleared. */
  readonly cleared: string[];
  readonly signal: AbortSignal;
}

/**
 * The topics below a root that the broker has retained, found by a subscription that does not outlive this: it would bring
 * back every firmware that is published there.
 *
 * @param root base topic and device id
 * @param most how many are taken in
 * @throws {HomieError} CONNECTION_LOST: not all of them may have come; NOT_CLEARED where there are more than can be taken in;
 *   the reason of the signal
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
    // On a dead link the answer does not come, and nobody waits for it when this is given up.
    await unlessAborted(
      signal,
      connection.unsubscribe([filter]).catch(() => undefined),
    );
  }
  return [...seen];
}

/**
 * Of the topics below a root those that belong to it, sorted, and not to a device whose topics lie beneath.
 *
 * @param others roots of other devices, as far as they are known; those that the topics show are found here
 */
export async function ownTopics(topics: readonly string[], root: string, others: readonly string[]): Promise<string[]> {
  const foreign = new Set(others.map((other) => `${other}/`));
  await inSlices(topics, (topic) => {
    const [end] = stateEnds.filter((each) => topic.endsWith(each));
    if (end !== undefined) foreign.add(topic.slice(0, 1 - end.length));
  });
  foreign.delete(`${root}/`);
  // All that begins alike is found together in this order, so that each list is gone through once.
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

/** What ends the topics by which a device shows itself. */
const stateEnds = ['/$state', '/$online', '/$homie'];

/** Lets other work have its turn in between. */
async function inSlices<Item>(items: readonly Item[], work: (item: Item) => void): Promise<void> {
  for (let from = 0; from < items.length; from += SLICE) {
    for (const item of items.slice(from, from + SLICE)) work(item);
    await nextTurn();
  }
}

/** The roots of the devices that are known. */
export function knownRoots({ baseTopic, registry }: HomieBroker): string[] {
  return (
    [...registry.devices.values()]
      // At a base topic that is itself a device, the nodes of that device look like devices.
      .filter(({ state, homie }) => state !== undefined || homie !== undefined)
      .map(({ id }) => baseTopic + id)
  );
}

/**
 * Clears topics one by one. The state goes last: as long as it is there it can tell that somebody has come.
 *
 * @returns whether it went through to the end
 * @throws {HomieError} those of `publishToDevice`; the reason of the signal
 */
export async function clearRetained(
  topics: readonly string[],
  { sender, stands, cleared, signal }: Clearing,
): Promise<boolean> {
  for (const topic of [...topics.filter((each) => !isStateTopic(each)), ...topics.filter(isStateTopic)]) {
    const message = { topic, payload: '', qos: 1, retain: true, timeout: CLEARING } as const;
    const sent = await publishToDevice({ ...sender, abandon: signal, mayBegin: stands }, message);
    signal.throwIfAborted();
    if ('notSent' in sent) return false;
    cleared.push(topic);
  }
  return true;
}

/** Why what is retained is not known or cleared to its end. */
export function connectionLost(): HomieError {
  return new HomieError('CONNECTION_LOST.meanwhile');
}

/** Whether a topic tells whether a device is there. */
export function isStateTopic(topic: string): boolean {
  return topic.endsWith('/$state') || topic.endsWith('/$online');
}
