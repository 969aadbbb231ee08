import { asHomieError } from '../errors';
import { neverSeen, settle } from '../homie/presence';
import type { Change, Outcome } from '../homie/update';
import type { DeviceWatch } from '../homie/watch';
import type { Task } from './task';

/** Why a device is not served any more: the reason of the signal that stops it. */
export class Stop {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    this.outcome = outcome;
  }
}

/** The place where devices ask for their turn. */
export interface Gate {
  /** The device is not there. */
  away(device: string): void;
  /** The device can be served. @returns the signal that is aborted when it is its turn */
  ask(device: string, woke: boolean): AbortSignal;
  /** It was its turn, but it had gone. */
  notSent(device: string): void;
}

export interface ServeInput {
  readonly task: Task<unknown>;
  readonly gate: Gate;
  readonly asked: boolean;
  /** Aborted with a `Stop` when the device is to be served no more. */
  readonly stop: AbortSignal;
  readonly abandon: AbortSignal;
  readonly report: (change: Change) => void;
  /** Serves it, now that it is its turn; undefined when it has gone, and nothing was sent. */
  readonly exchange: () => Promise<Outcome | undefined>;
}

/**
 * How long a device to which nothing was sent is left alone unless it is heard of, in ms. What spoke against it may last, as
 * when another process has the user directory.
 */
const PAUSE = 500;

/**
 * Waits for a device, and for its turn; serves it; and waits for it again where it had gone. One that is there, and about
 * which all is known without sending anything, needs no turn. It does not reject.
 */
export async function serve(device: string, input: ServeInput): Promise<Outcome> {
  const { task, gate, asked, stop, abandon, exchange } = input;
  const refused = task.refuse(device);
  if (refused !== undefined) return { state: 'rejected', error: refused };
  const watch = task.broker.watch(device);
  const signal = AbortSignal.any([stop, abandon]);
  try {
    for (;;) {
      const woke = await untilThere(device, watch, input, signal);
      const known = await task.look(device, asked);
      if (known !== undefined) return known;
      signal.throwIfAborted();
      if (!(await untilTurn(device, watch, gate.ask(device, woke), task, signal))) {
        gate.away(device);
        continue;
      }
      const outcome = await exchange();
      if (outcome?.state === 'canceled') return stopped(stop);
      if (outcome !== undefined) return outcome;
      gate.notSent(device);
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

/** How a device ends whose signal to stop was given. */
export function stopped({ reason }: AbortSignal): Outcome {
  return reason instanceof Stop ? reason.outcome : { state: 'canceled' };
}

/** @returns whether it was not there at first */
async function untilThere(
  device: string,
  watch: DeviceWatch,
  { task, gate, report }: ServeInput,
  signal: AbortSignal,
): Promise<boolean> {
  let woke = false;
  let told: string | undefined;
  for (;;) {
    if (!task.broker.isSettled) await settle(task.broker, signal);
    const at = task.readyAt(device);
    if (at !== undefined && at <= performance.now()) return woke;
    if (at === undefined) {
      const why = whyItWaits(device, task);
      if (!woke) gate.away(device);
      if (!woke || why.hint !== told) report({ state: 'waiting', ...why });
      [woke, told] = [true, why.hint];
    }
    await watch.next(at ?? Number.POSITIVE_INFINITY, signal);
  }
}

/** What is said of a device of which nothing is known, at once: its id may be misspelled. */
function whyItWaits(device: string, { broker }: Task<unknown>): Pick<Change, 'reason' | 'hint'> {
  if (!broker.isSettled || broker.registry.get(device)?.state !== undefined) return {};
  const unseen = neverSeen(broker, device);
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
