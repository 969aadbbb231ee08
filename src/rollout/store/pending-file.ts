/** Devices that may have something to boot, as they are written down: `pending.jsonl`. */
import { moment } from '../../homie/elapsed';
import { pendingOf } from '../../homie/lock-table';
import { type PendingReboot } from '../../homie/lock-table';
import type { Reading } from './journal';

/** What the lines of the file say. A damaged line may be about an image that is staged. */
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
