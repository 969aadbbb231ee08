import { spawnSync } from 'node:child_process';
import { cpus, loadavg, totalmem, type as system } from 'node:os';
import { judge, type Limit, type Verdict } from './arithmetic';

/** How the benchmark is run. */
export interface Bench {
  /** Fewer transfers: it shows that everything works, and the figures mean little. */
  readonly quick: boolean;
  /** Path of `ota_updater.py` of Homie for ESP8266. */
  readonly reference: string | undefined;
  /** The Python that runs it. */
  readonly python: string;
  /** A folder for files, deleted at the end. */
  readonly folder: string;
}

/** One line of the table. */
export interface Measurement {
  readonly what: string;
  /** Undefined where it could not be measured; `note` says why. */
  readonly value: number | undefined;
  /** `x` is a ratio. */
  readonly unit: 'x' | 'ms' | 'MiB' | 'KiB';
  readonly limit?: Limit;
  /** What was measured of the package, and of the baseline, with their units. */
  readonly note: string;
}

/** One figure of the benchmark. */
export interface Figure {
  readonly number: number;
  readonly title: string;
  /** Ends all that it starts. */
  measure(bench: Bench): Promise<Measurement[]>;
}

/** What the figures were measured on. */
interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** MiB. */
  readonly memory: number;
  readonly system: string;
  readonly node: string;
  readonly mosquitto: string;
  /** Processes that wanted to run in the minute before, on average. */
  readonly load: number;
}

/** @throws {Error} when mosquitto is not installed */
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

/** Returns a time for people. */
export function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

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

/** Returns the machine and the rows for people. */
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
