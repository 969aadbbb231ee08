import { parseArgs } from 'node:util';
import { readRecordings } from '../test/simulator/replay/recording';
import { type Outcome, replayAll } from '../test/simulator/replay/replay';

const USAGE = `Usage: npm run conformance -- [--quiet] DIRECTORY

Replays each recording of the real firmware (*.json) in DIRECTORY against the simulated device, and compares the
sequence of $state and of OTA statuses, and which image runs. With --quiet, names only those that do not conform.`;

const describe = (outcome: Outcome) => {
  if (outcome.verdict === 'differ') return `: ${outcome.differences.join('; ')}`;
  return outcome.verdict === 'not replayed' ? `: ${outcome.reason}` : '';
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean' }, quiet: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [directory] = positionals;
  if (values.help || directory === undefined) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const counts: Record<Outcome['verdict'], number> = { conform: 0, differ: 0, 'not replayed': 0 };
  for (const { recording, outcome: replaying } of replayAll(readRecordings(directory))) {
    const outcome = await replaying;
    counts[outcome.verdict] += 1;
    if (values.quiet && outcome.verdict === 'conform') continue;
    console.log(`${outcome.verdict.padEnd(12)}  ${recording.scenario}${describe(outcome)}`);
  }
  console.log(`${counts.conform} conform, ${counts.differ} differ, ${counts['not replayed']} not replayed`);
  process.exitCode = counts.differ === 0 && counts.conform > 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
});
