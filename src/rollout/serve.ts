import { asHomieError } from '../errors';
import { neverSeen, settleFor } from '../homie/presence';
import type { Outcome } from '../update/update';
import type { DeviceWatch } from '../homie/watch';
import { inEnglish } from '../texts/text';
import { unlessAborted } from '../unless-aborted';
import type { DeviceTurn } from './device-turn';
import type { Hooks, Judged, Task } from './task';

/** Why a device is not served any more: the reason of the signal that stops it. */
export class Stop {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    this.outcome = outcome;
  }
}

export interface ServeInput {
  readonly task: Task<unknown>;
  readonly turn: DeviceTurn;
  /** Its `cancel` is aborted with a `Stop`. */
  readonly hooks: Hooks<unknown>;
}

/**
 * How long a device to which nothing was sent is skipped unless it is heard of, in ms. What spoke against it may last, as
 * when another process has the user directory.
 */
const PAUSE = 500;

/** What is said of a device while nothing is known of any. */
const NO_CONNECTION = 'There is no connection to the broker.';

/**
 * Waits for a device, and for its turn; serves it; and waits for it again where it had gone. One that is there, and about
 * which all is known without sending anything, needs no turn. It does not reject.
 */
export async function serveDevice(device: string, input: ServeInput): Promise<Outcome> {
  const { task, turn, hooks } = input;
  const { cancel: stop, abandon, asked } = hooks;
  const refused = task.refuse(device);
  if (refused !== undefined) return refused;
  const watch = task.broker.watch(device);
  const signal = AbortSignal.any([stop, abandon]);
  let missed = false;
  try {
    for (;;) {
      const woke = await untilThere(device, watch, input, signal);
      if (await hadToWait(device, input, signal)) continue;
      const known = await task.look(device, asked);
      if (known !== undefined) return known;
      signal.throwIfAborted();
      if (woke || missed) hooks.report({ state: 'queued' });
      if (!(await untilTurn(device, watch, turn.ask(woke), task, signal))) {
        turn.away();
        continue;
      }
      const outcome = await exchange(device, input);
      if (outcome?.state === 'canceled') return stopped(stop);
      if (outcome !== undefined) return outcome;
      missed = true;
      turn.notSent();
      await watch.next(performance.now() + PAUSE, signal);
    }
  } catch (error) {
    if (stop.aborted) return stopped(stop);
    if (abandon.aborted) return { state: 'canceled' };
    return { state: 'failed', error: asHomieError(error) };
  } finally {
    watch.close();
  }
}

/** Waits for a device that something else has. What was decided of it before counts no more then. */
async function hadToWait(device: string, { task, turn, hooks }: ServeInput, signal: AbortSignal): Promise<boolean> {
  const { locks } = task.broker;
  const why = locks.refusalOf(device, task.stages, hooks.job);
  if (why === undefined) return false;
  turn.away();
  hooks.report({ state: 'waiting', reason: 'busy', hint: `${why.message} ${why.hint}` });
  await locks.untilFree(device, task.stages, hooks.job, signal);
  hooks.report({ state: 'queued' });
  return true;
}

/**
 * Serves a device whose turn it is. A device takes one job at a time, so it is locked until it has ended.
 *
 * @returns undefined when it has gone or is busy, and nothing was sent
 */
async function exchange(device: string, { task, hooks }: ServeInput): Promise<Outcome | undefined> {
  const { locks } = task.broker;
  if (locks.refusalOf(device, task.stages, hooks.job) !== undefined) return undefined;
  locks.acquire(device, hooks.job, task.stages);
  // Another job may have had it since that was decided.
  const outcome = (await task.look(device, hooks.asked)) ?? (await task.exchange(device, hooks));
  if (outcome === undefined) locks.release(device, hooks.job);
  return outcome;
}

/** Judges a device that was in flight when an earlier process ended: its reboot may be pending. */
export async function judge(device: string, flight: unknown, { task, hooks }: ServeInput): Promise<Judged> {
  const { locks } = task.broker;
  try {
    locks.takeUp(device, hooks.job);
  } catch (error) {
    return { state: 'rejected', error: asHomieError(error) };
  }
  await unlessAborted(hooks.abandon, locks.unorphaned(device));
  return task.judge(device, flight, hooks);
}

/** How a device ends whose signal to stop was given. */
export function stopped({ reason }: AbortSignal): Outcome {
  return reason instanceof Stop ? reason.outcome : { state: 'canceled' };
}

/** @returns whether it was not there at first */
async function untilThere(
  device: string,
  watch: DeviceWatch,
  { task, turn, hooks }: ServeInput,
  signal: AbortSignal,
): Promise<boolean> {
  let woke = false;
  let told: string | undefined;
  let expectedAt: number | undefined;
  for (;;) {
    await settleFor(task.broker, device, signal);
    const at = task.readyAt(device);
    const now = performance.now();
    if (at !== undefined && at <= now) return woke;
    // One that connects again and again puts off when it is there: from the first such time on, it counts as away.
    expectedAt ??= at;
    if (expectedAt !== undefined && expectedAt <= now) turn.away();
    if (at === undefined) {
      const why = whyItWaits(device, task);
      if (!woke) turn.away();
      const what = `${why.reason} ${why.hint ?? ''}`;
      if (what !== told) hooks.report({ state: 'waiting', ...why });
      [woke, told] = [true, what];
    }
    await watch.next(at ?? Number.POSITIVE_INFINITY, signal);
  }
}

/** What is said of a device of which nothing is known, at once: its id may be misspelled. */
function whyItWaits(
  device: string,
  { broker }: Task<unknown>,
): { readonly reason: 'offline' | 'never_seen'; readonly hint?: string } {
  if (broker.status.state !== 'connected') return { reason: 'offline', hint: NO_CONNECTION };
  if (!broker.isSettled || broker.registry.get(device)?.state !== undefined) return { reason: 'offline' };
  const unseen = inEnglish(neverSeen(broker, device));
  return { reason: 'never_seen', hint: `${unseen.slice(0, 1).toUpperCase()}${unseen.slice(1)}` };
}

/** @returns false when the device leaves before it is its turn */
async function untilTurn(
  device: string,
  watch: DeviceWatch,
  turn: AbortSignal,
  task: Task<unknown>,
  signal: AbortSignal,
): Promise<boolean> {
  const either = AbortSignal.any([turn, signal]);
  while (!turn.aborted) {
    if (task.readyAt(device) === undefined) return false;
    try {
      await watch.next(Number.POSITIVE_INFINITY, either);
    } catch (error) {
      if (!turn.aborted) throw error;
    }
  }
  return true;
}
