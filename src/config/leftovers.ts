/** The retained topics that a device leaves behind when it moves to another id or base topic. */
import type { MoveReport } from '../homie/update';
import type { Place } from './place';

/** What is retained has come when none came for so long, in ms; and at the latest after the other. */
const QUIET = 300;
const AT_MOST = 5_000;
/** How long the broker may take to acknowledge one clearing, in ms. */
const CLEARING = 10_000;

export interface LeftoversInput {
  readonly old: Place;
  /** Where the device is proven to be now. */
  readonly now: Place;
  /** Whether they are to be cleared. */
  readonly clear: boolean;
  /** ms that the old `$state` has to become `lost`. */
  readonly patience: number;
  readonly signal: AbortSignal;
}

/**
 * Finds what the broker has retained of a device in its old place, and clears that when asked to: only topics that were
 * seen retained there, only while the old `$state` stays `lost`, and nothing of another device.
 */
export async function leaveBehind({ old, now, clear, patience, signal }: LeftoversInput): Promise<MoveReport> {
  const lost = await untilLost(old, patience, signal);
  const retained = await retainedIn(old, now, signal);
  const report = { from: old.root, to: now.root, retained };
  if (!clear) return { ...report, cleared: [] };
  if (!lost) return { ...report, cleared: [], kept: 'The old $state did not become lost.' };

  const { registry, connection } = old.broker;
  const before = registry.get(old.device)?.state;
  const cleared: string[] = [];
  // The state goes last: as long as it is there it can tell that somebody else has come.
  for (const topic of [...retained].sort((a, b) => Number(isState(a)) - Number(isState(b)))) {
    signal.throwIfAborted();
    if (registry.get(old.device)?.state !== before) {
      return { ...report, cleared, kept: 'The old $state changed meanwhile.' };
    }
    await connection.publish(topic, '', { qos: 1, retain: true, timeout: CLEARING });
    cleared.push(topic);
  }
  return { ...report, cleared };
}

function isState(topic: string): boolean {
  return topic.endsWith('/$state') || topic.endsWith('/$online');
}

async function untilLost(old: Place, patience: number, signal: AbortSignal): Promise<boolean> {
  const until = performance.now() + patience;
  while (old.broker.registry.get(old.device)?.state?.value !== 'lost') {
    if ((await old.watch.next(until, signal)) === undefined) return false;
  }
  return true;
}

async function retainedIn(old: Place, now: Place, signal: AbortSignal): Promise<string[]> {
  const { connection } = old.broker;
  const seen = new Set<string>();
  let last = performance.now();
  const listen = (topic: string, payload: Buffer, retained: boolean): void => {
    if (!retained || payload.length === 0 || !topic.startsWith(`${old.root}/`)) return;
    seen.add(topic);
    last = performance.now();
  };
  connection.on('message', listen);
  try {
    await connection.subscribe([`${old.root}/#`]);
    const subscribed = performance.now();
    for (;;) {
      const wait = Math.min(Math.max(last, subscribed) + QUIET, subscribed + AT_MOST) - performance.now();
      if (wait <= 0) break;
      await pause(wait, signal);
    }
  } finally {
    connection.off('message', listen);
    await connection.unsubscribe([`${old.root}/#`]).catch(() => undefined);
  }
  return ownTopics([...seen], old, now);
}

/** Without what belongs to another device below the old one, or to the new place. */
function ownTopics(topics: readonly string[], old: Place, now: Place): string[] {
  const beneath = topics.flatMap((topic) => {
    const root = /^(.+)\/\$(?:state|online|homie)$/.exec(topic)?.[1];
    return root === undefined || root === old.root ? [] : [root];
  });
  const known = [old, now].flatMap(({ broker }) =>
    [...broker.registry.devices.values()]
      // At a base topic that is itself a device, the nodes of that device look like devices.
      .filter(({ state, homie }) => state !== undefined || homie !== undefined)
      .map(({ id }) => broker.baseTopic + id),
  );
  const others = [...new Set([...beneath, ...known, now.root])].filter((root) => root !== old.root);
  return topics.filter((topic) => !others.some((root) => topic.startsWith(`${root}/`))).sort();
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(() => done(resolve), Math.ceil(ms));
    const abort = (): void => done(() => reject(signal.reason));
    const done = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      settle();
    };
    signal.addEventListener('abort', abort);
  });
}
