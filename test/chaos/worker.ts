import { monitorEventLoopDelay } from 'node:perf_hooks';
import { check, type Violation } from './check';
import { draw } from './draw';
import { play } from './play';
import type { Seen } from './record';

/** A run that is to be done. */
interface Order {
  readonly seed: number;
  readonly run: number;
}

/** A run that is done. */
export interface Done extends Order {
  readonly violations: readonly Violation[];
  /** What happened at the devices that the violations name, in words. */
  readonly trail: readonly string[];
  /** The longest time for which this process did nothing, in ms: the machine had something else to do. */
  readonly lag: number;
  /** How devices ended, in words. */
  readonly ends: readonly string[];
  /** ms. */
  readonly duration: number;
}

/** Does one run after the other for its parent: a process of its own shows what a run leaves behind. */
process.on('message', ({ seed, run }: Order) => {
  void (async () => process.send?.(await work(seed, run)))();
});

async function work(seed: number, run: number): Promise<Done> {
  const begun = performance.now();
  const delays = monitorEventLoopDelay({ resolution: 10 });
  delays.enable();
  const past = (): { duration: number; lag: number } => ({
    duration: performance.now() - begun,
    lag: delays.max / 1e6,
  });
  try {
    const record = await play(draw(seed, run));
    const verdicts = record.seen.filter((each) => each.kind === 'verdict');
    const ends = verdicts.map(({ state, code, reason }) => [state, code ?? reason].filter(Boolean).join(' '));
    const violations = check(record);
    const trail = record.seen.filter(({ device }) => violations.some(({ what }) => what.includes(device))).map(told);
    return { seed, run, violations, trail, ends, ...past() };
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { seed, run, violations: [{ statement: 'UPROAR', what }], trail: [], ends: [], ...past() };
  }
}

function told({ at, device, kind, ...rest }: Seen): string {
  const details = Object.entries(rest)
    .filter(([name]) => name !== 'image' && name !== 'job')
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${at.toFixed(0)} ${device} ${kind} ${details.join(', ')}`;
}
