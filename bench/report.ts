import { spawnSync } from 'node:child_process';
import { cpus, loadavg, totalmem, type as system } from 'node:os';
import { judge, type Limit, type Verdict } from './arithmetic';

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
