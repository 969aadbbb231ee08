/** Measures speed and size of the package, each figure against a baseline of the same run (docs/benchmarks.md). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { proof } from './figures/proof';
import { inspection, inventory } from './figures/reading';
import { footprint, growth, throughput, wake } from './figures/rollout';
import { sidebar } from './figures/sidebar';
import { loading, restart } from './figures/start';
import { transfer } from './figures/transfer';
import { machine, rowsOf, textOf, type Bench, type Figure, type Report, type Row } from './report';

const USAGE = `Usage: npm run bench -- [options]

Measures the speed and the size of the package, and prints a table. A figure that is missed is marked; the exit code
tells only whether the benchmark ran to its end.

  --only NUMBERS     these figures only, with commas between them
  --quick            less of everything: whether it runs is what counts, not what comes out
  --json             prints JSON in place of the table
  --reference PATH   ota_updater.py of Homie for ESP8266, for figure 2
  --python PATH      a Python with paho-mqtt for it [python3]
  --help             this text`;

const figures: readonly Figure[] = [
  transfer,
  proof,
  throughput,
  footprint,
  inventory,
  inspection,
  growth,
  loading,
  sidebar,
  wake,
  restart,
];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      reference: { type: 'string' },
      python: { type: 'string', default: 'python3' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const measured = machine();
  const chosen = choose(values.only);
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-'));
  const bench: Bench = { quick: values.quick, reference: values.reference, python: values.python, folder };
  const rows: Row[] = [];
  try {
    for (const figure of chosen) {
      const begun = performance.now();
      rows.push(...rowsOf(figure, await figure.measure(bench)));
      console.error(`${figure.number}. ${figure.title}: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const report: Report = { machine: measured, quick: values.quick, rows };
  if (values.json) console.log(JSON.stringify(report, undefined, 2));
  else console.log(textOf(report));
}

function choose(only: string | undefined): readonly Figure[] {
  if (only === undefined) return figures;
  const numbers = only.split(',').map(Number);
  const unknown = numbers.find((number) => !figures.some((figure) => figure.number === number));
  if (unknown !== undefined) throw new Error(`There is no figure ${unknown}.`);
  return figures.filter(({ number }) => numbers.includes(number));
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
});
