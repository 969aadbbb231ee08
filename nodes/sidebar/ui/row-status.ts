/** What the table says about the update of a device. */
import type { TableRow } from '../../../src/devices/table';
import type { Why } from '../../../src/update/why';
import { isFailure, isBusy } from './arrange';
import { ago, clock, count, duration, sentences, t } from './texts';

/** A status in words. */
export interface RowStatus {
  readonly label: string;
  /** More than the label says. */
  readonly title?: string;
  /** The name of a Font Awesome icon. */
  readonly symbol?: string;
  readonly tone?: 'good' | 'bad' | 'busy';
  /** 0 to 100, while it is in progress. */
  readonly progress?: number;
}

type RowUpdate = NonNullable<TableRow['update']>;

/**
 * Returns what is going on with a device, how its last update ended, or what is on offer for it: whatever the user has
 * to know first.
 *
 * @param now ms since 1970, on the clock of Node-RED
 */
export function statusOf(row: TableRow, now: number): RowStatus {
  const { update } = row;
  if (update !== undefined && isBusy(row)) return openStatus(update, row, now);
  if (update !== undefined && isFailure(update.state)) return endedStatus(update);
  return offerStatus(row) ?? (update === undefined ? { label: '' } : endedStatus(update));
}

function openStatus(update: RowUpdate, row: TableRow, now: number): RowStatus {
  const { state, phase, progress = 0, remaining, why, reason } = update;
  if (state !== 'running') {
    const label =
      why !== undefined ? whyText(why, now, row) : reason !== undefined ? t(`reason.${reason}`) : t(`update.${state}`);
    return { label, symbol: 'clock-o' };
  }
  const doing = t(`phase.${phase ?? 'sending'}`);
  const left = remaining === undefined ? undefined : t('left', { time: duration(remaining * 1000) });
  const label = [phase === 'flashing' ? `${progress} %` : doing, left].filter(Boolean).join(' · ');
  return { label, title: [`${doing} ${progress} %`, left].filter(Boolean).join(' · '), tone: 'busy', progress };
}

const symbols: Readonly<Record<string, string>> = {
  succeeded: 'check-circle',
  failed: 'exclamation-circle',
  timed_out: 'exclamation-circle',
  rejected: 'ban',
  canceled: 'times-circle',
  skipped: 'minus-circle',
};

/** Returns how an update or a configuration change has ended. */
export function endedStatus({ state, reason, error, change }: RowUpdate): RowStatus {
  const done = state === 'succeeded' && change === 'configuration' ? 'changed' : state;
  const label = reason === undefined ? t(`update.${done}`) : t(`reason.${reason}`);
  const tone = state === 'succeeded' ? 'good' : isFailure(state) ? 'bad' : undefined;
  const symbol = symbols[state];
  return {
    label,
    ...(error !== undefined && { title: sentences(error) }),
    ...(symbol !== undefined && { symbol }),
    ...(tone !== undefined && { tone }),
  };
}

function offerStatus({ offer, excluded, otaOff }: TableRow): RowStatus | undefined {
  if (excluded === true) return { label: t('excluded'), symbol: 'minus-circle' };
  if (offer === undefined) return undefined;
  const { state, version = '' } = offer;
  if (state !== 'available') return { label: t(`update.${state}`, { version }).trim(), symbol: 'minus-circle' };
  const label = [t('update.available', { version }).trim(), otaOff === true && t('otaOff')].filter(Boolean).join(' · ');
  return { label, symbol: 'arrow-circle-up', tone: 'busy' };
}

/**
 * Returns why a job or a device waits, in one line. Times are in ms since 1970.
 *
 * @param row the device that waits, or the only device of the job
 */
export function whyText(why: Why, now: number, row?: TableRow): string {
  const { kind, until, change } = why;
  if (kind === 'offline' && row?.seen !== undefined) {
    const values = { device: row.id, ago: ago(row.seen, now) };
    return t(`why.${row.state === 'sleeping' ? 'sleeping' : 'away'}`, values);
  }
  if (kind === 'busy') return t(change === undefined ? 'reason.busy' : `why.busy.${change}`);
  if (kind === 'slot' || kind === 'stopped') return count(`why.${kind}`, why.count ?? 0);
  const variant = kind === 'observation' ? (until === undefined ? '.open' : '.until') : '';
  const times = until === undefined ? {} : { left: duration(until - now), at: clock(until, now) };
  return t(`why.${kind}${variant}`, { devices: named(why, row), ...times });
}

/** Returns the devices of a reason by their ids, or how many there are. */
function named({ devices = [], count: number = devices.length }: Why, row: TableRow | undefined): string {
  const ids = devices.length === 0 && row !== undefined ? [row.id] : devices;
  return ids.length === 0 || ids.length > 2 ? count('all', number) : ids.join(', ');
}
