/** What the checks of updates and of configuration changes have in common: many devices, and nothing is sent. */
import { phrase, type Value } from '../texts/text';
import type { HomieBroker } from './broker';
import type { Staged } from './lock-table';
import { tally } from '../tally';
import { matchAny } from './pattern';

export interface CheckOptions {
  /** Aborts the wait for retained messages. */
  readonly signal?: AbortSignal;
  /** Ids and patterns of devices that are excluded. */
  readonly exclude?: readonly string[];
}

/** The sentence that says why a device is excluded. */
export const EXCLUDED = phrase('deviceExcluded');

/** Checks each device, and counts the verdicts. */
export async function checkEach<Each extends { readonly verdict: string }>(
  ids: readonly string[],
  exclude: readonly string[],
  check: (id: string, isExcluded: boolean) => Each | Promise<Each>,
): Promise<{ counts: Partial<Record<Each['verdict'], number>>; devices: Each[] }> {
  const isExcluded = matchAny(exclude);
  const devices = await Promise.all(ids.map(async (id) => check(id, isExcluded(id))));
  return { counts: tally(devices.map(({ verdict }): Each['verdict'] => verdict)), devices };
}

/** Returns a sentence that says why the lock would not allow anything to be sent to a device; undefined if it would. */
export function busyBecause({ locks }: HomieBroker, id: string, what: Staged): Value | undefined {
  return locks.holder(id) === undefined ? locks.refusalOf(id, what)?.text : phrase('deviceBusy');
}
