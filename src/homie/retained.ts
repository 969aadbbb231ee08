/** What the broker has retained in the tree of one device: how it is found, and cleared. */
import { HomieError } from '../errors';
import { unlessAborted } from '../unless-aborted';
import type { Connection } from '../mqtt/connection';
import type { HomieBroker } from './broker';
import { publishToDevice, type Sender } from './gate';

/** What is retained has come when none came for so long, in ms; and at the latest after the other. */
const QUIET = 300;
const AT_MOST = 5_000;
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
 * @throws {HomieError} CONNECTION_LOST: not all of them may have come; the reason of the signal
 */
export async function retainedBelow(connection: Connection, root: string, signal: AbortSignal): Promise<string[]> {
  const filter = `${root}/#`;
  const lost = new AbortController();
  const stop = AbortSignal.any([signal, lost.signal]);
  const lose = (): void => lost.abort(connectionLost());
  if (connection.status.state !== 'connected') lose();
  const seen = new Set<string>();
  let last = performance.now();
  const listen = (topic: string, payload: Buffer, retained: boolean): void => {
    if (!retained || payload.length === 0 || !topic.startsWith(`${root}/`)) return;
    seen.add(topic);
    last = performance.now();
  };
  connection.on('message', listen);
  connection.on('status', lose);
  try {
    await unlessAborted(stop, connection.subscribe([filter]).catch(lose));
    const subscribed = performance.now();
    for (;;) {
      const wait = Math.min(Math.max(last, subscribed) + QUIET, subscribed + AT_MOST) - performance.now();
      if (wait <= 0) break;
      await pause(wait, stop);
    }
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
 * Of the topics below a root those that belong to it, and not to a device whose topics lie beneath.
 *
 * @param others roots of other devices, as far as they are known; those that the topics show are found here
 */
export function ownTopics(topics: readonly string[], root: string, others: readonly string[]): string[] {
  const beneath = topics.flatMap((topic) => /^(.+)\/\$(?:state|online|homie)$/.exec(topic)?.[1] ?? []);
  const foreign = [...new Set([...beneath, ...others])].filter((other) => other !== root);
  return topics.filter((topic) => !foreign.some((other) => topic.startsWith(`${other}/`))).sort();
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
  for (const topic of [...topics].sort((a, b) => Number(isStateTopic(a)) - Number(isStateTopic(b)))) {
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
  return new HomieError('CONNECTION_LOST', 'The connection to the broker was lost meanwhile.');
}

/** Whether a topic tells whether a device is there. */
export function isStateTopic(topic: string): boolean {
  return topic.endsWith('/$state') || topic.endsWith('/$online');
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
