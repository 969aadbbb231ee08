import { HomieError } from '../../src/errors';
import type { HomieBroker } from '../../src/homie/broker';
import { matchAny } from '../../src/homie/pattern';
import { tally } from '../../src/tally';
import { sentenceOf } from '../../src/update/sentence';
import type { State } from '../../src/update/update';
import { Queue } from '../../src/rollout/queue';
import { endOf } from '../../src/rollout/store/history';
import { type Remembered } from '../../src/rollout/store/history-record';
import { isAbsent, readDevices, type Request } from './request';

/** Maximum number of results in an answer, so that many devices do not make the message too large. */
const MAX_ENTRIES = 100;

/** The result of an update or a configuration change, as plain data. */
interface HistoryEntry extends Pick<
  Remembered,
  'job' | 'device' | 'state' | 'reason' | 'error' | 'from' | 'to' | 'duration' | 'node' | 'late'
> {
  readonly change: 'firmware' | 'configuration';
  /** ISO 8601: when it ended. */
  readonly at: string;
  readonly text: string;
}

/** The answer to `history`. */
interface HistoryAnswer {
  readonly counts: Partial<Record<State, number>>;
  /** Newest first. */
  readonly entries: readonly HistoryEntry[];
  readonly text: string;
}

/**
 * Returns the latest results in the history of a broker.
 *
 * @param msg its `device`, `job` and `checksum` filter the results
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID, INVALID_SETTING
 */
export function historyAnswer(broker: HomieBroker, msg: Request): HistoryAnswer {
  const { device, job } = msg;
  const isMeant = isAbsent(device) ? () => true : matchAny(readDevices(device));
  const checksum = readChecksum(msg['checksum']);
  const results = Queue.of(broker).history.recent(
    broker.locks.scope,
    (result) =>
      isMeant(result.device) &&
      (isAbsent(job) || result.job === job) &&
      (checksum === undefined || result.to?.checksum === checksum),
  );
  const entries = results.slice(0, MAX_ENTRIES).map(entryOf);
  const counts = tally(entries.map(({ state }) => state));
  return { counts, entries, text: textOf(entries) };
}

function entryOf(result: Remembered): HistoryEntry {
  const { job, device, state, reason, error, from, to, duration, node, late } = result;
  return {
    job,
    device,
    change: to === undefined ? 'configuration' : 'firmware',
    state,
    ...(reason !== undefined && { reason }),
    ...(error !== undefined && { error }),
    from,
    ...(to !== undefined && { to }),
    at: new Date(endOf(result)).toISOString(),
    duration,
    ...(node !== undefined && { node }),
    ...(late !== undefined && { late }),
    text: sentenceOf(result),
  };
}

function textOf(entries: readonly HistoryEntry[]): string {
  const [latest] = entries;
  if (latest === undefined) return 'No update or configuration change is recorded.';
  const devices = new Set(entries.map(({ device }) => device)).size;
  return `${count(entries.length, 'result')} of ${count(devices, 'device')}. Latest: ${latest.text}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/**
 * Reads `msg.checksum`.
 *
 * @returns an MD5 in lower case; undefined where the message has none
 * @throws {HomieError} INVALID_SETTING
 */
export function readChecksum(value: unknown): string | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value === 'string' && /^\s*[0-9a-f]{32}\s*$/i.test(value)) return value.trim().toLowerCase();
  throw new HomieError('INVALID_SETTING.checksum');
}
