import { setInterval as every, setTimeout as delay } from 'node:timers/promises';
import { setRight } from './clock';
import { befall } from './faults';
import { Home } from './home';
import { Library } from './library';
import { Moments } from './moments';
import { RealNodeRed } from './node-red';
import type { Ours } from './ours';
import type { Plan } from './plan';
import type { Left, RunRecord, Seen } from './record';
import { HANG_LIMIT } from '../support/limits';

/**
 * Longest time without a verdict, and longest duration of a run, in ms. Beyond either, the run has a job that does not
 * end. Twenty devices that refuse a patch one after the other take two minutes.
 */
const PATIENCE = { verdict: HANG_LIMIT, all: 600_000 };
/** Time without events after which all faults that are due to end are ended, in ms. */
const STANDSTILL = 4000;

/** Events that our side causes. */
const ourDoing: ReadonlySet<Seen['kind']> = new Set<Seen['kind']>(['sending', 'published', 'verdict']);

/** Carries out a plan. The process must do nothing else meanwhile. @returns what was seen */
export async function play(plan: Plan): Promise<RunRecord> {
  const uproar: string[] = [];
  const complain = (error: unknown): void =>
    void uproar.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const alarms = ['unhandledRejection', 'uncaughtException', 'warning'] as const;
  for (const alarm of alarms) process.on(alarm, complain);
  const before = resources();
  try {
    const record = await happen(plan, complain);
    const leaks = await left(before);
    return { ...record, uproar, leaks: [...record.leaks, ...leaks] };
  } finally {
    setRight();
    for (const alarm of alarms) process.off(alarm, complain);
  }
}

async function happen(plan: Plan, complain: (what: unknown) => void): Promise<RunRecord> {
  const seen: Seen[] = [];
  const begunAt = performance.now();
  let last = begunAt;
  let lastVerdict = begunAt;
  const sent = new Set<string>();
  const see = (each: Seen): void => {
    if (each.kind === 'sending') sent.add(each.what);
    // Devices receive a retained image of somebody else each time they wake: this is no sign of progress.
    if (ourDoing.has(each.kind) || (each.kind === 'image' && sent.has(each.md5))) last = performance.now();
    if (each.kind === 'verdict') lastVerdict = performance.now();
    seen.push(each);
  };
  const moments = new Moments();
  const home = await Home.open(plan, see, moments);
  const around = { home, see, moments, complain };
  const ours: Ours = await (plan.host === 'library' ? Library : RealNodeRed).open(around);
  const going = new Set<Promise<unknown>>();
  const track = (work: Promise<unknown>): void => {
    const done = work.catch(complain).finally(() => going.delete(done));
    going.add(done);
  };
  const scene = { home, ours, moments, track };
  for (const { at, fault } of plan.blows) moments.on(at, () => track(befall(fault, scene)));
  for (const errand of plan.errands) {
    const ask = (): void => track(ours.ask(errand));
    if (errand.at === undefined) ask();
    else moments.on(errand.at, ask);
  }

  const quiet = (async (): Promise<'quiet'> => {
    do {
      await Promise.all(going);
      await ours.quiet();
      // Moments that are still due no longer occur, but faults are ended, which may cause something.
    } while (moments.mendAll() || going.size > 0);
    return 'quiet';
  })();
  const watch = setInterval(() => {
    if (performance.now() - last < STANDSTILL) return;
    last = performance.now();
    moments.mendAll();
  }, 500);
  const over = new AbortController();
  const end = await Promise.race([quiet, tooLate({ begunAt, lastVerdict: () => lastVerdict }, over.signal)]);
  over.abort();
  clearInterval(watch);
  moments.end();
  const unfinished = end === 'quiet' ? await ours.finish() : ['it has not ended', ...ours.unfinished()];
  const leftOver = await atLast(home);
  const leaks = await ours.close();
  await home.close();
  return { seen, unfinished, left: leftOver, uproar: [], leaks };
}

/** Waits until a run has taken too long. */
async function tooLate(
  { begunAt, lastVerdict }: { readonly begunAt: number; readonly lastVerdict: () => number },
  signal: AbortSignal,
): Promise<'late'> {
  for await (const lastAt of every(500, lastVerdict, { signal })) {
    const now = performance.now();
    if (now > lastAt() + PATIENCE.verdict || now > begunAt + PATIENCE.all) break;
  }
  return 'late';
}

/** Returns the final state of the devices. Gives devices that are receiving an update up to 3 s to finish. */
async function atLast(home: Home): Promise<Left[]> {
  for (let tries = 0; ; tries += 1) {
    const devices = home.left();
    if (tries === 30 || devices.every(({ there, halfDead }) => !there || !halfDead)) return devices;
    await delay(100);
  }
}

function resources(): string[] {
  return process.getActiveResourcesInfo().sort();
}

/** Returns the resources that were not there before. Waits up to 3 s for sockets to close and files to be written. */
async function left(before: readonly string[]): Promise<string[]> {
  for (let tries = 0; ; tries += 1) {
    const now = resources();
    for (const each of before) {
      const at = now.indexOf(each);
      if (at >= 0) now.splice(at, 1);
    }
    if (now.length === 0) return [];
    if (tries === 300) return [...now, ...sockets()];
    await delay(10);
  }
}

/** Describes all open TCP sockets. */
function sockets(): string[] {
  const { libuv }: { libuv?: unknown } = Object(process.report.getReport());
  if (!Array.isArray(libuv)) return [];
  return libuv
    .filter(({ type }) => type === 'tcp')
    .map((handle) =>
      JSON.stringify(handle, ['is_active', 'localEndpoint', 'remoteEndpoint', 'port', 'writeQueueSize']),
    );
}
