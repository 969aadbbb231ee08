import { spawnSync } from 'node:child_process';
import { cpus, loadavg, totalmem, type as system } from 'node:os';

/** Options of a run of the benchmark. */
export interface Bench {
  /** Whether to run fewer transfers, to check that everything works. The figures then mean little. */
  readonly quick: boolean;
  /** Path of `ota_updater.py` of Homie for ESP8266. */
  readonly reference: string | undefined;
  /** Command of the Python that runs it. */
  readonly python: string;
  /** A folder for files, deleted at the end. */
  readonly folder: string;
}

/** A line of the table. */
export interface Measurement {
  readonly what: string;
  /** Undefined if it could not be measured; `note` says why. */
  readonly value: number | undefined;
  /** `x` is a ratio. */
  readonly unit: 'x' | 'ms' | 'MiB' | 'KiB';
  readonly limit?: Limit;
  /** The values of the package and of the baseline, with units. */
  readonly note: string;
}

/** A figure of the benchmark. */
export interface Figure {
  readonly number: number;
  readonly title: string;
  /** Measures the figure, and ends everything that it starts. */
  measure(bench: Bench): Promise<Measurement[]>;
}

/** The machine on which the figures were measured. */
interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** MiB. */
  readonly memory: number;
  readonly system: string;
  readonly node: string;
  readonly mosquitto: string;
  /** Load average of the minute before the start. */
  readonly load: number;
}

/** Describes this machine. @throws {Error} if mosquitto is not installed */
export function machine(): Machine {
  const { stdout, error } = spawnSync('mosquitto', ['-h'], { encoding: 'utf8' });
  if (error !== undefined)
    throw new Error('mosquitto and mosquitto_pub are needed (Debian: mosquitto, mosquitto-clients).');
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory: Math.round(totalmem() / 1024 / 1024),
    system: system(),
    node: process.version,
    mosquitto: /mosquitto version (\S+)/.exec(stdout)?.[1] ?? 'unknown',
    load: loadavg()[0] ?? 0,
  };
}

/** Formats a time in ms. */
export function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** A line of the output of `--json`. */
export interface Row {
  readonly figure: number;
  readonly title: string;
  readonly what: string;
  /** null if it was not measured. */
  readonly value: number | null;
  readonly unit: Measurement['unit'];
  readonly limit: Limit | null;
  readonly verdict: Verdict;
  readonly note: string;
}

/** The output of `--json`. */
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

/** Formats the rows as a table. */
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

/** Formats the machine and the rows. */
export function textOf({ machine: { cpu, cores, node, mosquitto, load }, quick, rows }: Report): string {
  const how = quick ? ' (quick: the figures mean little)' : '';
  return `${cores} x ${cpu}, Node.js ${node}, mosquitto ${mosquitto}, load ${load.toFixed(1)} before it began${how}

${tableOf(rows)}`;
}

function amount(value: number, unit: Measurement['unit']): string {
  return unit === 'x' ? value.toFixed(2) : `${value.toFixed(value < 100 ? 1 : 0)} ${unit}`;
}

function bound(limit: Limit, unit: Measurement['unit']): string {
  return 'atMost' in limit ? `<= ${amount(limit.atMost, unit)}` : `>= ${amount(limit.atLeast, unit)}`;
}

/** The limit of a figure. */
export type Limit = { readonly atMost: number } | { readonly atLeast: number };

/** The verdict about a figure. `measured`: the figure has no limit. */
export type Verdict = 'met' | 'missed' | 'measured' | 'not measured';

/** Returns the median. @throws {RangeError} if there are no values */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new RangeError('There is no median of nothing.');
  return (lower + upper) / 2;
}

/** Returns the smallest value that at least `percent` of 100 values do not exceed. @throws {RangeError} if there are none */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.ceil((sorted.length * percent) / 100) - 1];
  if (value === undefined) throw new RangeError('There is no percentile of nothing.');
  return value;
}

/** Returns the median of the package divided by that of the baseline. */
export function ratio(package_: readonly number[], baseline: readonly number[]): number {
  return median(package_) / median(baseline);
}

/** Returns the largest value divided by the smallest. @throws {RangeError} if there are no values */
export function spread(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('There is no spread of nothing.');
  return Math.max(...values) / Math.min(...values);
}

/** Compares a figure with its limit. An undefined figure meets no limit. */
export function judge(value: number | undefined, limit: Limit | undefined): Verdict {
  if (value === undefined) return 'not measured';
  if (limit === undefined) return 'measured';
  const met = 'atMost' in limit ? value <= limit.atMost : value >= limit.atLeast;
  return met ? 'met' : 'missed';
}

/**
 * Runs two or more contestants in turn, each equally often, in an order that is reversed each time: A B B A A B. So
 * none benefits from running later, or directly after a certain other one.
 */
export async function alternate<Name extends string, Result>(
  rounds: number,
  contestants: Readonly<Record<Name, () => Promise<Result>>>,
): Promise<Record<Name, Result[]>> {
  // The keys are the names of the contestants.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const names = Object.keys(contestants) as Name[];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const results = Object.fromEntries(names.map((name): [Name, Result[]] => [name, []])) as Record<Name, Result[]>;
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) results[name].push(await contestants[name]());
  }
  return results;
}
