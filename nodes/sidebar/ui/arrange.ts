/** Searching, filtering and sorting the devices of the table. */
import type { TableRow } from '../../../src/devices/table';
import { isFinal } from '../../../src/update/update';
import { t } from './texts';

export const columns = ['name', 'state', 'firmware', 'version', 'seen', 'update'] as const;

export type Column = (typeof columns)[number];

/** What the table shows, and in which order. */
export interface Query {
  readonly text: string;
  /** Empty, `state:<state>`, `firmware:<name>`, or one of the `marks`. */
  readonly filter: string;
  readonly column: Column;
  readonly descending: boolean;
}

export const firstQuery: Query = { text: '', filter: '', column: 'name', descending: false };

/** Filters that are neither a state nor a firmware. */
export const marks: Readonly<Record<string, (row: TableRow) => boolean>> = {
  available: (row) => mayUpdate(row),
  busy: isBusy,
  failed: ({ update }) => update !== undefined && isFailure(update.state),
  excluded: ({ excluded }) => excluded === true,
};

/** Returns whether the update on offer for a device can be started. */
export function mayUpdate(row: TableRow): boolean {
  return row.offer?.state === 'available' && row.excluded !== true && !isBusy(row);
}

/** Returns whether an update or a configuration change of a device has not ended. */
export function isBusy({ update }: TableRow): boolean {
  return update !== undefined && !isFinal(update.state);
}

/** Returns whether a final state calls for attention. */
export function isFailure(state: string): boolean {
  return state === 'failed' || state === 'timed_out' || state === 'rejected';
}

/** Ranks updates for sorting: what needs attention comes first. */
const ranks = ['running', 'failed', 'timed_out', 'rejected', 'waiting', 'queued', 'canceled', 'skipped', 'succeeded'];

function rank(row: TableRow): number {
  const { update } = row;
  if (update !== undefined && isBusy(row)) return ranks.indexOf(update.state) * 101 + 100 - (update.progress ?? 0);
  if (mayUpdate(row)) return 650;
  return update === undefined ? 2000 : 700 + ranks.indexOf(update.state) * 101;
}

const keys: Readonly<Record<Column, (row: TableRow) => string | number>> = {
  name: (row) => row.name ?? row.id,
  state: (row) => t(`state.${row.state}`),
  firmware: (row) => row.firmware ?? '',
  version: (row) => row.version ?? '',
  seen: (row) => -(row.seen ?? 0),
  update: rank,
};

/** Returns the rows that match a query, sorted. */
export function arrange(rows: Iterable<TableRow>, { text, filter, column, descending }: Query): TableRow[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = filterOf(filter);
  const found = [...rows].filter((row) => fits(row) && words.every((word) => searched(row).includes(word)));
  const { compare } = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
  const key = keys[column];
  const keyed = found.map((row) => ({ row, value: key(row) }));
  keyed.sort((a, b) => {
    const by =
      typeof a.value === 'number' && typeof b.value === 'number'
        ? a.value - b.value
        : compare(String(a.value), String(b.value));
    return (descending ? -by : by) || compare(a.row.id, b.row.id);
  });
  return keyed.map(({ row }) => row);
}

function filterOf(filter: string): (row: TableRow) => boolean {
  const mark = marks[filter];
  if (mark !== undefined) return mark;
  const value = filter.slice(filter.indexOf(':') + 1);
  if (filter.startsWith('state:')) return ({ state }) => state === value;
  if (filter.startsWith('firmware:')) return ({ firmware }) => firmware === value;
  return () => true;
}

function searched({ id, name, state, firmware, version, checksum }: TableRow): string {
  return [id, name, state, firmware, version, checksum].join('\n').toLowerCase();
}
