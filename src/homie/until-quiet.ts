/** Finds the end of the retained messages of a broker, which nothing in MQTT announces. */
import { setTimeout as delay } from 'node:timers/promises';

/** All retained messages count as arrived when none has arrived for this long, in ms. */
const QUIET = 300;

/** The same while something is known to be missing, in ms: a broker that limits its rate may pause between batches. */
const QUIET_BEFORE_MORE = 2000;

/**
 * The longest wait, in ms: enough for the retained messages of 20,000 devices at 1000 messages a second, the rate of
 * EMQX.
 */
export const AT_MOST = 400_000;

export interface Burst {
  /** When the last retained message arrived, in ms of `performance.now()`. */
  readonly lastAt: () => number;
  /** Whether something is known to be missing. */
  readonly isPartial?: () => boolean;
  /** In ms, 400 s by default. */
  readonly atMost?: number;
}

/**
 * Quiet time is counted in steps of this many ms, however long a step took: while the process was blocked, messages may
 * have arrived that it has not read yet.
 */
const STEP = 50;

/**
 * Waits until no retained message has arrived for 300 ms, or for 2 s while something is known to be missing.
 *
 * @param signal rejects with its reason
 * @returns false if messages were still arriving after `atMost`
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
    await delay(Math.ceil(Math.min(STEP, left)), undefined, { signal }).catch(() => signal.throwIfAborted());
    quiet = lastAt() > last ? 0 : quiet + STEP;
    last = lastAt();
  }
  return true;
}
