import { lockTable } from '../../src/homie/lock-table';

/** Forgets all locks of the process, as its end does. */
export function resetLocks(): void {
  for (const each of Object.values(lockTable())) each.clear();
}
