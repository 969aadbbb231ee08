import { asHomieError } from '../errors';
import { neverSeen, settleFor } from '../homie/presence';
import type { Outcome } from '../update/update';
import type { DeviceWatch } from '../homie/watch';
import { inEnglish } from '../texts/text';
import { unlessAborted } from '../unless-aborted';
import type { DeviceTurn } from './device-turn';
import type { Hooks, Judged, Task } from './task';

/** The reason of a signal that stops serving a device: how the device ends. */
export class Stop {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    this.outcome = outcome;
  }
}

export interface ServeInput {
  readonly task: Task<unknown>;
  readonly turn: DeviceTurn;
  /** The reason of `cancel` is a `Stop`. */
  readonly hooks: Hooks<unknown>;
}

/**
 * How long to wait for an event of a device before the next try, when its turn came but nothing was sent, in ms. The
 * obstacle may last, as when another process uses the user directory.
 */
const PAUSE = 500;

/** How long a device that has just woken may wait for its turn before it counts as one that stays awake, in ms. */
const BRIEFLY = 1_000;

/** The hint for a device that waits without a connection to the broker. */
const NO_CONNECTION = 'There is no connection to the broker.';

/**
 * Waits for a device and its turn, and serves it; if the device had gone, waits again. A device whose outcome is known
 * without sending anything needs no turn. Never rejects.
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
      if (!(await untilTurn(device, watch, turn.ask(woke), input, signal))) {
        turn.away();
        continue;
      }
      const outcome = await exchange(device, input);
      if (outcome?.state === 'canceled') {
        // What the device has taken before.
        const { config } = outcome;
        return { ...stopped(stop), ...(config && { config }) };
      }
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

/**
 * Waits while another job has the device, or the device may still boot something else.
 *
 * @returns whether it had to wait, so that earlier decisions about the device no longer hold
 */
async function hadToWait(device: string, { task, turn, hooks }: ServeInput, signal: AbortSignal): Promise<boolean> {
  const { locks } = task.broker;
  const why = locks.refusalOf(device, task.stages, hooks.job);
  if (why === undefined) return false;
  turn.away();
  hooks.unprepare();
  hooks.report({ state: 'waiting', reason: 'busy', hint: `${why.message} ${why.hint}` });
  await locks.untilFree(device, task.stages, hooks.job, signal);
  hooks.report({ state: 'queued' });
  return true;
}

/**
 * Serves a device that has its turn. The device stays locked until it has ended, since only one job may serve it at a
 * time.
 *
 * @returns undefined when the device has gone or is busy, and nothing was sent
 */
async function exchange(device: string, { task, hooks }: ServeInput): Promise<Outcome | undefined> {
  const { locks } = task.broker;
  if (locks.refusalOf(device, task.stages, hooks.job) !== undefined) return undefined;
  locks.acquire(device, hooks.job, task.stages);
  // Another job may have changed the device since the last decision.
  const outcome = (await task.look(device, hooks.asked)) ?? (await task.exchange(device, hooks));
  if (outcome === undefined) locks.release(device, hooks.job);
  return outcome;
}

/** Judges a device that was in flight when an earlier process ended. Its pending reboot does not keep this job away. */
export async function judgeInFlight(device: string, flight: unknown, { task, hooks }: ServeInput): Promise<Judged> {
  const { locks } = task.broker;
  try {
    locks.takeUp(device, hooks.job);
  } catch (error) {
    return { state: 'rejected', error: asHomieError(error) };
  }
  await unlessAborted(hooks.abandon, locks.unorphaned(device));
  return task.judge(device, flight, hooks);
}

/** Returns how a device ends after its signal to stop. */
export function stopped({ reason }: AbortSignal): Outcome {
  return reason instanceof Stop ? reason.outcome : { state: 'canceled' };
}

/**
 * Waits until a device can be served.
 *
 * @returns whether it was not available at first
 */
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
    // Each reconnect delays the time when the device is ready. From the first such time on, the device counts as away.
    expectedAt ??= at;
    if (expectedAt !== undefined && expectedAt <= now) turn.away();
    if (at === undefined) {
      const why = whyItWaits(device, task);
      if (!woke) turn.away();
      const what = `${why.reason} ${why.hint ?? ''}`;
      if (what !== told) hooks.report({ state: 'waiting', ...why });
      [woke, told] = [true, what];
      hooks.prepare();
    }
    await watch.next(at ?? Number.POSITIVE_INFINITY, signal);
  }
}

/** Returns why a device waits. If nothing is known of a device, says so at once: its id may be misspelled. */
function whyItWaits(
  device: string,
  { broker }: Task<unknown>,
): { readonly reason: 'offline' | 'never_seen'; readonly hint?: string } {
  if (broker.status.state !== 'connected') return { reason: 'offline', hint: NO_CONNECTION };
  if (!broker.isSettled || broker.registry.get(device)?.state !== undefined) return { reason: 'offline' };
  const unseen = inEnglish(neverSeen(broker, device));
  return { reason: 'never_seen', hint: `${unseen.slice(0, 1).toUpperCase()}${unseen.slice(1)}` };
}

/**
 * Waits until a device has its turn.
 *
 * @returns false when the device leaves before that
 */
async function untilTurn(
  device: string,
  watch: DeviceWatch,
  turn: AbortSignal,
  { task, hooks }: ServeInput,
  signal: AbortSignal,
): Promise<boolean> {
  const either = AbortSignal.any([turn, signal]);
  let until = performance.now() + BRIEFLY;
  while (!turn.aborted) {
    if (task.readyAt(device) === undefined) return false;
    if (performance.now() >= until) {
      hooks.unprepare();
      until = Number.POSITIVE_INFINITY;
    }
    try {
      await watch.next(until, either);
    } catch (error) {
      if (!turn.aborted) throw error;
    }
  }
  return true;
}
