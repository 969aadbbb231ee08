import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { statements } from '../test/chaos/check';
import { draw } from '../test/chaos/draw';
import { digest, script } from '../test/chaos/plan';
import { soak } from '../test/chaos/soak';
import type { Done } from '../test/chaos/worker';

const USAGE = `Usage: npm run chaos -- [options]

Lets random faults befall random fleets of simulated devices on a real mosquitto while firmware and patches are brought
to them, and checks after each run that what this package promises holds. The same seed gives the same devices, faults
and moments. A run that violates something is printed, and repeated by --seed and --only.

  --seed NUMBER     [a fresh one]
  --runs NUMBER     how many [40]
  --from NUMBER     the first one [0]
  --only NUMBER     this one only
  --jobs NUMBER     how many at a time [6]
  --plan            prints the plans and their digest, and does nothing
  --soak            500 updates in one process: the heap must not grow
  --changes         with --soak: configuration changes instead, which takes some minutes
  --help            this text`;

/** ms after which a run counts as hanging: longer than all its deadlines together. */
const PATIENCE = 120_000;
/** Number of lines of a trail that are shown from its start, and from its end. */
const SHOWN = 60;
const WORKER = path.resolve(__dirname, '../test/chaos/worker.ts');

function number(name: string, value: string): number {
  const parsed = Number(value);
  if (!Number.isSafeInteger(parsed) || parsed < 0) throw new Error(`--${name} is a whole number from 0 on`);
  return parsed;
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      runs: { type: 'string', default: '40' },
      from: { type: 'string', default: '0' },
      only: { type: 'string' },
      jobs: { type: 'string', default: '6' },
      plan: { type: 'boolean', default: false },
      soak: { type: 'boolean', default: false },
      changes: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const only = values.only === undefined ? undefined : number('only', values.only);
  const from = only ?? number('from', values.from);
  return {
    seed: values.seed === undefined ? randomInt(1_000_000_000) : number('seed', values.seed),
    runs: Array.from({ length: only === undefined ? number('runs', values.runs) : 1 }, (_none, index) => from + index),
    jobs: Math.max(1, number('jobs', values.jobs)),
    plan: values.plan,
    soak: values.soak,
    changes: values.changes,
    help: values.help,
  };
}

/** Carries out runs in one process until none is left. Starts a new process if it ends. */
async function employ(seed: number, runs: number[], tell: (done: Done) => void): Promise<void> {
  let child: ChildProcess | undefined;
  for (let run = runs.shift(); run !== undefined; run = runs.shift()) {
    child ??= fork(WORKER, { execArgv: ['--import', 'tsx'] });
    const worker = child;
    const ended = new AbortController();
    const answer = once(worker, 'message', { signal: ended.signal });
    worker.once('exit', () => ended.abort());
    // A process in an endless loop cannot end its run itself.
    const watch = setTimeout(() => worker.kill('SIGKILL'), PATIENCE);
    worker.send({ seed, run });
    const done: Done | undefined = await answer.then(
      ([message]: Done[]) => message,
      () => undefined,
    );
    clearTimeout(watch);
    worker.removeAllListeners('exit');
    if (done === undefined) child = undefined;
    tell(done ?? lost(seed, run));
  }
  child?.kill();
}

/** Returns the start and the end of a trail: a device may boot the same image again and again. */
function shortened(trail: readonly string[]): readonly string[] {
  if (trail.length <= 2 * SHOWN) return trail;
  return [...trail.slice(0, SHOWN), `… ${trail.length - 2 * SHOWN} more`, ...trail.slice(-SHOWN)];
}

function lost(seed: number, run: number): Done {
  return {
    seed,
    run,
    violations: [{ statement: 'UPROAR', what: 'the process has ended, or had to be ended' }],
    trail: [],
    lag: 0,
    ends: [],
    duration: 0,
  };
}

async function main(): Promise<void> {
  const { seed, runs, jobs, plan, soak: isSoak, changes, help } = readArguments();
  if (help) {
    console.log(USAGE);
    return;
  }
  if (isSoak) {
    process.exitCode = (await soak(changes ? 'patch' : 'image', (line) => console.log(line))) ? 0 : 1;
    return;
  }
  const plans = runs.map((run) => draw(seed, run));
  console.log(`seed ${seed}, ${plans.length} runs, plan ${digest(plans)}`);
  if (plan) {
    for (const each of plans) console.log(script(each));
    return;
  }
  // Node-RED loads the built package.
  if (plans.some(({ host }) => host === 'node-red')) execFileSync('npm', ['run', '--silent', 'build']);
  const begun = performance.now();
  const left = [...runs];
  const ends = new Map<string, number>();
  const violated: string[] = [];
  const tell = ({ run, violations, trail, lag, ends: those }: Done): void => {
    for (const end of those) ends.set(end, (ends.get(end) ?? 0) + 1);
    if (violations.length === 0) return;
    const lines = violations.map(({ statement, what }) => `VIOLATED: ${statements[statement]}: ${what}`);
    violated.push(...lines.map((line) => `run ${run}: ${line}`));
    console.log(script(draw(seed, run)));
    for (const line of lines) console.log(`  ${line}`);
    for (const line of shortened(trail.filter((each) => !each.includes(' status 206 ')))) console.log(`    ${line}`);
    console.log(`  the process stood still for ${lag.toFixed(0)} ms at most`);
    console.log(`  again: npm run chaos -- --seed ${seed} --only ${run}\n`);
  };
  await Promise.all(Array.from({ length: Math.min(jobs, runs.length) }, () => employ(seed, left, tell)));
  const seconds = (performance.now() - begun) / 1000;
  const sorted = [...ends].sort(([, a], [, b]) => b - a);
  console.log(sorted.map(([end, count]) => `${count} ${end}`).join(', '));
  for (const line of violated) console.log(line);
  console.log(
    `seed ${seed}: ${plans.length} runs, ${violated.length} violations, ${seconds.toFixed(0)} s, ${(seconds / plans.length).toFixed(2)} s a run`,
  );
  process.exitCode = violated.length === 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
});
