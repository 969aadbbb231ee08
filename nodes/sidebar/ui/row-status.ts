/** What the table says about the update of a device. */
import type { TableRow } from '../../../src/devices/table';
import type { Why } from '../../../src/update/why';
import { isEnded } from './arrange';
import { clock, count, duration, sentences, t } from './texts';

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
  if (update !== undefined && !isEnded(update.state)) return openStatus(update, now);
  if (update !== undefined && isFailure(update.state)) return endedStatus(update);
  return offerStatus(row) ?? (update === undefined ? { label: '' } : endedStatus(update));
}

/** Returns whether a final state calls for attention. */
export function isFailure(state: string): boolean {
  return state === 'failed' || state === 'timed_out' || state === 'rejected';
}

function openStatus({ state, phase, progress = 0, remaining, why, reason }: RowUpdate, now: number): RowStatus {
  if (state !== 'running') {
    const label =
      why !== undefined ? whyText(why, now) : reason !== undefined ? t(`reason.${reason}`) : t(`update.${state}`);
    return { label, symbol: 'clock-o' };
  }
  const doing = t(`phase.${phase ?? 'sending'}`);
  const left = remaining === undefined ? undefined : t('left', { time: duration(remaining * 1000) });
  const label = [`${doing} ${progress} %`, left].filter(Boolean).join(' · ');
  return { label, tone: 'busy', progress };
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
export function endedStatus({ state, reason, error, proven, change }: RowUpdate): RowStatus {
  const done = change === 'configuration' ? 'changed' : proven === true ? 'proven' : state;
  const label =
    state === 'succeeded' ? t(`update.${done}`) : reason === undefined ? t(`update.${state}`) : t(`reason.${reason}`);
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

/** Returns why a job or a device waits, in one line. Times are in ms since 1970. */
export function whyText(why: Why, now: number): string {
  const { kind, until, devices = [], count: number = devices.length, change } = why;
  const list = devices.length > 2 ? count('all', devices.length) : devices.join(', ');
  const variant =
    kind === 'busy' ? change : kind === 'observation' ? (until === undefined ? 'open' : 'until') : undefined;
  const values = {
    devices: list,
    left: until === undefined ? '' : duration(until - now),
    at: until === undefined ? '' : clock(until, now),
  };
  if (['slot', 'stopped'].includes(kind)) return count(`why.${kind}`, number);
  return t(variant === undefined ? `why.${kind}` : `why.${kind}.${variant}`, values);
}
