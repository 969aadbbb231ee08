/** How the end of what a broker has retained is found: nothing in MQTT announces it. */

/** All has come when nothing came for so long, in ms. */
const QUIET = 300;

/** The same while it is known that something is missing, in ms: a broker that limits its rate may pause between batches. */
const QUIET_BEFORE_MORE = 2000;

/** Waiting ends at the latest after so long, in ms: what 20,000 devices have retained at 1000 messages a second, the rate of EMQX. */
export const AT_MOST = 300_000;

export interface Burst {
  /** When a retained message came last, in ms of `performance.now()`. */
  readonly lastAt: () => number;
  /** Whether it is known that more is to come. */
  readonly isPartial?: () => boolean;
  /** In ms, 300 s unless given. */
  readonly atMost?: number;
}

/**
 * Quiet is counted in steps of so many ms, however long a step took: while the process was held up, messages may have come
 * that it has not read yet.
 */
const STEP = 50;

/**
 * Waits until no retained message has come for 300 ms, or for 2 s while something is known to be missing.
 *
 * @param signal rejects with its reason
 * @returns false when they still came after `atMost`
 */
export async function untilQuiet(
  { lastAt, isPartial = () => false, atMost = AT_MOST }: Burst,
  signal: AbortSignal,
): Promise<boolean> {
  const since = performance.now();
  let last = lastAt();
  let quiet = 0;
  while (quiet < QUIET || (quiet < QUIET_BEFORE_MORE && isPartial())) {
    const left = since + atMost - performance.now();
    if (left <= 0) return false;
    await pause(Math.min(STEP, left), signal);
    quiet = lastAt() > last ? 0 : quiet + STEP;
    last = lastAt();
  }
  return true;
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
