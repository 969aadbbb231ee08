/** Reads the stored pending reboots from `pending.jsonl`. */
import { moment } from '../../homie/elapsed';
import { pendingOf } from '../../homie/lock-table';
import { type PendingReboot } from '../../homie/lock-table';
import type { Reading } from './journal';

/** Returns the pending reboots in the file. A damaged line counts as one, since it may stand for a staged image. */
export function readPending({ journal, damage }: Reading): PendingReboot[] {
  const readable = [...journal.entries()].map(([key, value]) => (isPending(value) ? value : pendingOf(key, moment())));
  return [...readable, ...(damage?.keys ?? []).map((key) => pendingOf(key, moment()))];
}

function isPending(value: unknown): value is PendingReboot {
  const { address, mac, what, at, up, upAt, statistics, unheard }: Partial<Record<keyof PendingReboot, unknown>> =
    Object(value);
  return (
    typeof address === 'string' &&
    (mac === undefined || typeof mac === 'string') &&
    (what === 'image' || what === 'patch') &&
    typeof at === 'number' &&
    (up === undefined || typeof up === 'number') &&
    (upAt === undefined || typeof upAt === 'number') &&
    typeof statistics === 'boolean' &&
    (unheard === undefined || unheard === true)
  );
}
