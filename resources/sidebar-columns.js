import { t } from './sidebar-dom.js';

/** Ranks updates for sorting: updates that need attention come first. */
const ranks = [
  'running',
  'failed',
  'timed_out',
  'rejected',
  'waiting',
  'queued',
  'available',
  'held',
  'canceled',
  'skipped',
  'newer_installed',
  'succeeded',
];

const rank = ({ update }) => (update === undefined ? ranks.length : ranks.indexOf(update.state));

/** Sort keys of the columns: numbers or texts. */
export const columns = {
  name: (row) => row.name ?? row.id,
  state: (row) => t(`state.${row.state}`),
  firmware: (row) => row.firmware ?? '',
  version: (row) => row.version ?? '',
  checksum: (row) => row.checksum ?? '',
  seen: (row) => -(row.seen ?? 0),
  update: (row) => rank(row) * 101 + (100 - (row.update?.progress ?? 0)),
};

/** Returns the rows that match the search and the filters, sorted. */
export function arrange(rows, { text, state, firmware, column, descending }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (row) =>
    (state === '' || row.state === state) &&
    (firmware === '' || row.firmware === firmware) &&
    words.every((word) => searched(row).includes(word));
  const { compare } = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
  const value = columns[column];
  const order = (a, b) => {
    const [x, y] = [value(a), value(b)];
    const by = typeof x === 'number' ? x - y : compare(x, y);
    return (descending ? -by : by) || compare(a.id, b.id);
  };
  return rows.filter(fits).sort(order);
}

function searched({ id, name, state, firmware, version, checksum }) {
  return [id, name, state, firmware, version, checksum].join('\n').toLowerCase();
}
