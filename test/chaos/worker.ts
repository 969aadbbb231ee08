import { monitorEventLoopDelay } from 'node:perf_hooks';
import { check, type Violation } from './check';
import { draw } from './draw';
import { play } from './play';
import type { Seen } from './record';

/** A run to carry out. */
interface Order {
  readonly seed: number;
  readonly run: number;
}

/** A completed run. */
export interface Done extends Order {
  readonly violations: readonly Violation[];
  /** Descriptions of what happened at the devices that the violations name. */
  readonly trail: readonly string[];
  /** Longest delay of the event loop, in ms: the machine was busy with something else. */
  readonly lag: number;
  /** Descriptions of how devices ended. */
  readonly ends: readonly string[];
  /** In ms. */
  readonly duration: number;
}

/** Carries out one run after the other for the parent: in a separate process, what a run leaves behind shows. */
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
