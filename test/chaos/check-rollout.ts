import type { RolloutOf, Seen, Verdict } from './record';

type Of<Kind extends Seen['kind']> = Extract<Seen, { kind: Kind }>;

/** What reaches the wire does so within this time, in ms, and what happens is known to us after it. */
const SOON = 500;
/** ms by which a timer may fire early. */
const EARLY = 20;

function of<Kind extends Seen['kind']>(seen: readonly Seen[], kind: Kind): Of<Kind>[] {
  return seen.filter((each): each is Of<Kind> => each.kind === kind);
}

/** Returns the transfers that passed the gate, with what was seen before each of them. */
function transfers(seen: readonly Seen[]): { readonly sent: Of<'sending'>; readonly before: readonly Seen[] }[] {
  const begun = of(seen, 'begun');
  return seen.flatMap((sent, index) => {
    if (sent.kind !== 'sending') return [];
    const isSent = begun.some(
      ({ device, what, at }) => device === sent.device && what === sent.what && at >= sent.at && at < sent.at + SOON,
    );
    return isSent ? [{ sent, before: seen.slice(0, index) }] : [];
  });
}

function rolloutOf(seen: readonly Seen[], job: string): RolloutOf | undefined {
  return of(seen, 'asked').find((each) => each.job === job)?.rollout;
}

/** Returns the first results of the devices of a job that a job itself counts: none that were observed beyond the end. */
function resultsOf(seen: readonly Seen[], job: string, state: Verdict['state']): Verdict[] {
  return of(seen, 'verdict').filter((each) => each.job === job && each.state === state && each.late !== true);
}

/** Returns whether a device may not have stayed ready since its result, or another job may have had it. */
function isDisturbed(seen: readonly Seen[], { device, job, at }: Verdict): boolean {
  return seen.some((each) => {
    if (each.at < at) return false;
    if (each.kind === 'asked') return each.isRollback === true;
    if (each.device !== device) return false;
    if (each.kind === 'sending' || each.kind === 'verdict') return each.job !== job;
    return each.kind === 'away' || each.kind === 'boot' || each.kind === 'other' || each.kind === 'image';
  });
}

/** Returns whether a canary can have stayed ready for long enough by a time. A restart of our side starts this over. */
function isProven(seen: readonly Seen[], { job, at }: Verdict, until: { at: number; soak: number }): boolean {
  const restarts = of(seen, 'held').filter((each) => each.isNew && each.job === job && each.at > at);
  const ends = [...of(seen, 'down').map((each) => each.at), until.at];
  return [at, ...restarts.map((each) => each.at)].some((start) => {
    const end = ends.find((each) => each >= start) ?? start;
    return end - start >= until.soak - EARLY;
  });
}

/** Returns whether a device may have said before `at` that it goes to sleep: its connection ends a moment later. */
function isLeaving(seen: readonly Seen[], { device }: Verdict, at: number): boolean {
  return of(seen, 'away').some((each) => each.device === device && each.at >= at && each.at < at + SOON);
}

/** Finds transfers to further devices while canaries that nothing has disturbed are still under observation. */
export function despiteCanary(seen: readonly Seen[]): string[] {
  return transfers(seen).flatMap(({ sent, before }) => {
    const { device, job, what, at } = sent;
    const { canary = 0, soak = 0 } = rolloutOf(seen, job) ?? {};
    const canaries = new Map(resultsOf(before, job, 'succeeded').map((each) => [each.device, each]));
    if (canary === 0 || canaries.has(device)) return [];
    const disturbed = [...canaries.values()].filter((each) => isDisturbed(before, each) || isLeaving(seen, each, at));
    const others = [...canaries.values()].filter((each) => !disturbed.includes(each));
    const observed = others.filter((each) => !isProven(before, each, { at, soak }));
    const proven = others.length - observed.length;
    const isBarred = proven + disturbed.length < canary && observed.length >= canary - proven;
    return isBarred ? [`${what} to ${device} while ${observed.map((each) => each.device).join(', ')} is observed`] : [];
  });
}

/** Returns the devices that an update has harmed before as many canaries as are needed had succeeded. */
function harmedCanaries(seen: readonly Seen[], job: string): Verdict[] {
  const { canary = 0 } = rolloutOf(seen, job) ?? {};
  const succeeded = resultsOf(seen, job, 'succeeded');
  return resultsOf(seen, job, 'failed').filter(
    ({ code, at }) => HARMFUL.has(code) && succeeded.filter((each) => each.at <= at).length < canary,
  );
}

const HARMFUL: ReadonlySet<string | undefined> = new Set(['OLD_FIRMWARE', 'OTHER_FIRMWARE', 'NOT_BACK', 'NOT_READY']);

/**
 * Finds jobs that have stopped because of a canary, although none of their canaries was harmed or away, or has rebooted.
 */
export function unstable(seen: readonly Seen[]): string[] {
  return seen.flatMap((each, index) => {
    if (each.kind !== 'unstable') return [];
    const before = seen.slice(0, index);
    if (resultsOf(before, each.job, 'failed').some(({ code }) => HARMFUL.has(code))) return [];
    const canaries = resultsOf(before, each.job, 'succeeded');
    if (canaries.some((canary) => isDisturbed(before, canary))) return [];
    return [`a canary did not stay ready, it is said: ${canaries.map(({ device }) => device).join(', ')}`];
  });
}

/**
 * Finds transfers of a job that a harmed canary or as many failures as allowed have ended, without a person who resumes
 * it.
 */
export function despiteFailures(seen: readonly Seen[]): string[] {
  return transfers(seen).flatMap(({ sent: { device, job, what }, before }) => {
    const { maxFailures = 0 } = rolloutOf(seen, job) ?? {};
    const wanted = before.findLast(({ kind }) => kind === 'allowed' || kind === 'resumed')?.at ?? -Infinity;
    // What a person wants takes effect a moment later.
    const isLater = ({ at }: Verdict): boolean => at > wanted + SOON;
    const harmed = harmedCanaries(before, job).find(isLater);
    if (harmed !== undefined) return [`${what} to ${device} after ${harmed.device} was harmed`];
    const failures = resultsOf(before, job, 'failed').filter(isLater).length;
    return maxFailures > 0 && failures >= maxFailures
      ? [`${what} to ${device} after ${failures} of ${maxFailures} failures`]
      : [];
  });
}

/** Finds transfers of paused and stopped jobs. */
export function despiteHold(seen: readonly Seen[]): string[] {
  return transfers(seen).flatMap(({ sent: { device, job, what }, before }) => {
    let last: Of<'held'> | undefined;
    for (const each of of(before, 'held').filter((held) => held.job === job)) {
      // A kill may lose a pause that was not stored yet, but no older one.
      const isLost = each.isNew && !each.isHeld && last?.isHeld === true && each.at > last.at + 2 * SOON;
      if (!isLost) last = each;
    }
    return last?.isHeld === true ? [`${what} to ${device} of a job that was paused or stopped`] : [];
  });
}

/** Finds changes of which something is said to be under way still, although they waited between two steps. */
export function notInTime(seen: readonly Seen[]): string[] {
  return of(seen, 'verdict')
    .filter(({ state, reason }) => state === 'canceled' && reason === 'already_sent')
    .filter(({ waited, taken = [] }) => taken.length > 0 && waited !== undefined && HOLDS.has(waited))
    .map(({ device, waited }) => `${device}: already_sent, but it waited (${waited}) between two steps`);
}

const HOLDS: ReadonlySet<string> = new Set(['paused', 'stopped', 'window', 'canary']);

/** Finds values that a device is said to have taken, and has booted with at no time. */
export function notTaken(seen: readonly Seen[]): string[] {
  return seen.flatMap((verdict, index) => {
    if (verdict.kind !== 'verdict' || verdict.patch === undefined) return [];
    const { device, patch, taken = [] } = verdict;
    const before = seen.slice(0, index);
    if (of(before, 'other').some((each) => each.device === device)) return [];
    const files = of(before, 'boot')
      .filter((each) => each.device === device)
      .map(({ file }) => parse(file));
    return taken
      .filter((path) => !files.some((file) => valueAt(file, path) === valueAt(patch, path)))
      .map((path) => `${device} is said to have taken ${path}`);
  });
}

function parse(file: string): unknown {
  try {
    return JSON.parse(file);
  } catch {
    return undefined;
  }
}

function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((each, key) => Reflect.get(Object(each), key), value);
}
