import { judge, type Limit, type Verdict } from './arithmetic';
import type { Figure, Measurement } from './figure';
import type { Machine } from './machine';

/** One line of what `--json` prints. */
export interface Row {
  readonly figure: number;
  readonly title: string;
  readonly what: string;
  /** null where it was not measured. */
  readonly value: number | null;
  readonly unit: Measurement['unit'];
  readonly limit: Limit | null;
  readonly verdict: Verdict;
  readonly note: string;
}

/** What `--json` prints. */
export interface Report {
  readonly machine: Machine;
  readonly quick: boolean;
  readonly rows: readonly Row[];
}

export function rowsOf(
  { number, title }: Pick<Figure, 'number' | 'title'>,
  measurements: readonly Measurement[],
): Row[] {
  return measurements.map(({ what, value, unit, limit, note }) => ({
    figure: number,
    title,
    what,
    value: value ?? null,
    unit,
    limit: limit ?? null,
    verdict: judge(value, limit),
    note,
  }));
}

const titles = ['', 'figure', 'measured', 'limit', '', 'package / baseline'];

/** The rows as a table for people. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ figure, title, what, value, unit, limit, verdict, note }) => [
    String(figure),
    `${title}: ${what}`,
    value === null ? '-' : amount(value, unit),
    limit === null ? '' : bound(limit, unit),
    verdict === 'missed' ? 'MISSED' : verdict === 'measured' ? '' : verdict,
    note,
  ]);
  const widths = titles.map((_, column) => Math.max(...[titles, ...lines].map((line) => line[column]?.length ?? 0)));
  return [titles, widths.map((width) => '-'.repeat(width)), ...lines]
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function amount(value: number, unit: Measurement['unit']): string {
  return unit === 'x' ? value.toFixed(2) : `${value.toFixed(value < 100 ? 1 : 0)} ${unit}`;
}

function bound(limit: Limit, unit: Measurement['unit']): string {
  return 'atMost' in limit ? `<= ${amount(limit.atMost, unit)}` : `>= ${amount(limit.atLeast, unit)}`;
}
