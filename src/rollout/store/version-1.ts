/**
 * Reads what version 0.1.0 of this package stored. Its files have the same names and the version 1 in their first line.
 * They become files of this version with the next change, which replaces them only when everything is written.
 */
import { moment } from '../../homie/elapsed';
import { pendingOf, type PendingReboot } from '../../homie/lock-table';
import type { Remembered } from './history-record';

/** Names of idle states in 0.1.0. */
const idle: Readonly<Record<string, string>> = { not: 'no', stopped: 'stopped', done: 'done' };

/** Returns the state of a job as this version stores it. 0.1.0 had `rest` instead of `idle`. */
export function jobStateOf(stored: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { rest, ...state } = stored;
  return typeof rest === 'string' && !('idle' in stored) ? { ...state, idle: idle[rest] } : stored;
}

/** Failures after which the device was seen to have nothing to boot: it had restarted, or had refused the image. */
const settled: ReadonlySet<string | undefined> = new Set([
  'OLD_FIRMWARE',
  'OTHER_FIRMWARE',
  'VALUE_LOST',
  'BAD_CHECKSUM',
  'BAD_FIRMWARE',
  'NOT_ENOUGH_SPACE',
]);

/**
 * Returns what a device may still have to boot according to its results. 0.1.0 did not store that, and forgot it with
 * each restart. When the device was sent something does not count, since the clock of the machine may have been wrong:
 * only a restart from now on frees the device.
 *
 * @param device scope and id
 * @param results oldest first
 */
export function pendingAfter(device: string, results: readonly Remembered[]): PendingReboot | undefined {
  const last = results.findLast(({ state, attempt }) => state === 'succeeded' || (state === 'failed' && attempt !== 0));
  if (last === undefined || last.state === 'succeeded' || settled.has(last.error?.code)) return undefined;
  return {
    ...pendingAt(device),
    what: last.to === undefined ? 'patch' : 'image',
    ...(last.error?.code === 'NOT_RECEIVED' && { unheard: true }),
  };
}

/** Returns the pending reboot of a device of which nothing else is known. `device`: scope and id. */
export function pendingAt(device: string): PendingReboot {
  return pendingOf(device.slice(device.indexOf('/') + 1), moment());
}
