/** The retained topics that a device leaves behind when it moves to another id or base topic. */
import { clearRetained, isStateTopic, knownRoots, ownTopics, retainedBelow } from '../homie/retained';
import type { MoveReport } from '../homie/update';
import type { Place } from './place';

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
  const { registry, connection } = old.broker;
  const others = [...knownRoots(old.broker), ...knownRoots(now.broker), now.root];
  const retained = await ownTopics(await retainedBelow(connection, old.root, signal), old.root, others);
  const report = { from: old.root, to: now.root, retained };
  if (!clear) return { ...report, cleared: [] };
  if (!lost) return { ...report, cleared: [], kept: 'The old $state did not become lost.' };

  const before = registry.get(old.device)?.state;
  const cleared: string[] = [];
  const stands = (): boolean => {
    const state = registry.get(old.device)?.state;
    return state === before || (state === undefined && cleared.some(isStateTopic));
  };
  if (await clearRetained(retained, { sender: old, stands, cleared, signal })) return { ...report, cleared };
  return { ...report, cleared, kept: 'The old $state changed meanwhile.' };
}

async function untilLost(old: Place, patience: number, signal: AbortSignal): Promise<boolean> {
  const until = performance.now() + patience;
  while (old.broker.registry.get(old.device)?.state?.value !== 'lost') {
    if ((await old.watch.next(until, signal)) === undefined) return false;
  }
  return true;
}
