import { despiteCanary, despiteFailures, despiteHold, notInTime, notTaken, unstable } from './check-rollout';
import { meaningOf } from './images';
import type { Left, RunRecord, Seen, Verdict } from './record';

/** The statements that hold for every run. */
export const statements = {
  SUCCEEDED: 'what succeeded runs on the device, which has booted it since it was sent',
  NAMED: 'a verdict that names what runs on a device, or what it said, names it rightly',
  UNSENT: 'nothing was sent to a device for which it is refused',
  ENDED: 'every job ends, or waits for a reason, and every message has its answer',
  ATTEMPTS: 'no image is sent more often than allowed',
  TWICE: 'the client delivers nothing twice',
  PENDING: 'no image is sent to a device that has something to boot',
  CANCELED: 'nothing of a job is on the wire after it was told to be canceled',
  STOPPED: 'an image that failures have stopped is sent to no further device but by its full id, resume or retry',
  HELD: 'an image that a device was rolled back from is not sent to it again before a retry',
  CANARY: 'no further device is sent anything while a canary is under observation, even after a restart',
  UNSTABLE: 'a canary is only said not to have stayed ready if it has rebooted or was away',
  FAILURES: 'after as many failures as allowed, a job sends nothing more until a person resumes it',
  PAUSED: 'a job that is paused or stopped sends nothing, not even the next step of a change',
  IN_TIME: 'a change that waits between two steps is canceled in time',
  TAKEN: 'what a device is said to have taken, it has booted with',
  EXCLUDED: 'no update is sent to an excluded device but by a message that names it',
  SETTINGS: 'a job sends only to devices, and as often, as its own messages allow',
  LOST: 'no patch leaves a device with a file that it cannot start with, or without the password of its network',
  HALF_DEAD: 'no device is left half dead',
  LOCKED: 'no device is left to a job that has ended',
  UPROAR: 'nothing is rejected or thrown that nobody deals with',
  LEAKS: 'no listener, timer or socket is left',
} as const;
export type Statement = keyof typeof statements;

export interface Violation {
  readonly statement: Statement;
  readonly what: string;
}

/** Longest time from a device to us, in ms. What we report about a device may be this old. */
const ON_ITS_WAY = 500;

/** Returns the statements that a run violates. */
export function check(record: RunRecord): Violation[] {
  const seen = record.seen;
  const verdicts = seen.filter((each) => each.kind === 'verdict');
  const devices = [...new Set(seen.map(({ device }) => device))];
  return [
    ...verdicts.flatMap((verdict) => judge(verdict, seen)),
    ...all('ENDED', record.unfinished),
    ...devices.flatMap((device) => all('ATTEMPTS', tooOften(seen, device))),
    ...devices.flatMap((device) => all('TWICE', twice(seen, device))),
    ...all('PENDING', pending(seen)),
    ...all('CANCELED', afterCancel(seen)),
    ...all('STOPPED', despiteStop(seen)),
    ...all('HELD', despiteRollback(seen)),
    ...all('CANARY', despiteCanary(seen)),
    ...all('UNSTABLE', unstable(seen)),
    ...all('FAILURES', despiteFailures(seen)),
    ...all('PAUSED', despiteHold(seen)),
    ...all('IN_TIME', notInTime(seen)),
    ...all('TAKEN', notTaken(seen)),
    ...all('EXCLUDED', despiteExclusion(seen)),
    ...all('SETTINGS', againstSettings(seen)),
    ...devices.flatMap((device) => all('LOST', lost(seen, device))),
    ...all(
      'HALF_DEAD',
      record.left.filter((each) => isHalfDead(each, seen)).map(({ device }) => `${device} is half dead`),
    ),
    ...all(
      'LOCKED',
      record.left.flatMap(({ device, lockedBy }) => (lockedBy === undefined ? [] : [`${device} by ${lockedBy}`])),
    ),
    ...all('UPROAR', record.uproar),
    ...all('LEAKS', record.leaks),
  ];
}

function all(statement: Statement, whats: readonly string[]): Violation[] {
  return whats.map((what) => ({ statement, what }));
}

type Of<Kind extends Seen['kind']> = Extract<Seen, { kind: Kind }>;

function ofDevice<Kind extends Seen['kind']>(seen: readonly Seen[], kind: Kind, device: string): Of<Kind>[] {
  return seen.filter((each): each is Of<Kind> => each.kind === kind && each.device === device);
}

/** Compares a verdict with what the device had really done by then. */
function judge(verdict: Verdict, seen: readonly Seen[]): Violation[] {
  const { device, state, code, reason, image, patch } = verdict;
  const before = seen.slice(0, seen.indexOf(verdict));
  const boots = ofDevice(before, 'boot', device);
  /** The boot whose image and file the device runs, and the ones that were current within `ON_ITS_WAY` before. */
  const lately = boots.filter((_boot, index) => (boots[index + 1]?.at ?? Infinity) >= verdict.at - ON_ITS_WAY);
  const told = `${device}: ${[state, code ?? reason, verdict.reboot, verdict.status].filter(Boolean).join(' ')}`;
  const shows = `it runs ${lately.map(({ checksum, file }) => `${checksum} with ${file}`).join(', before that ')}`;
  const wrong = (statement: Statement, isRight: boolean): Violation[] =>
    isRight ? [] : [{ statement, what: `${told}, but ${shows}` }];

  const sent = ofDevice(before, 'published', device).filter(({ what }) => what === (image?.[0] ?? 'patch'));
  const runs = lately.filter(({ checksum }) => image?.includes(checksum));
  const has = lately.filter(({ file }) => patch === undefined || holds(parse(file), patch));
  /** Whether a boot follows a transfer to the same device, by its MAC. */
  const since = (boot: Of<'boot'>): boolean =>
    sent.some(({ at }) => at <= boot.at && boots.findLast((before_) => before_.at <= at)?.mac === boot.mac);
  const asBefore = lately.some(({ checksum }) => checksum === verdict.before);
  /** Whether somebody else has changed the device: the verdict may be about those changes. */
  const others = ofDevice(before, 'other', device).length > 0;
  /** Whether the device has not booted since the last transfer to it. */
  const notBooted = !boots.some((boot) => since(boot) && boot.at < verdict.at - ON_ITS_WAY && boot.at > lastSent(sent));

  if (state === 'succeeded') {
    // The running image cannot tell whether the device has booted it again.
    const isShownByBoot = verdict.reboot === 'proven' || image?.includes(verdict.before ?? '');
    const proven = image === undefined ? has.filter(since) : runs.filter((boot) => !isShownByBoot || since(boot));
    return wrong('SUCCEEDED', proven.length > 0);
  }
  if (state === 'skipped' && reason === 'up_to_date') return wrong('NAMED', runs.length > 0);
  if (state === 'skipped' && reason === 'no_change') return wrong('NAMED', has.length > 0);
  if (state === 'skipped' && reason === 'ota_disabled') {
    return wrong(
      'NAMED',
      lately.some(({ file }) => !holds(parse(file), { ota: { enabled: true } })),
    );
  }
  if (state === 'timed_out' || state === 'canceled') return [];
  if (state === 'rejected') {
    // The device already has a verdict in a job that tries again.
    const last = ofDevice(before, 'verdict', device).findLast(({ job }) => job === verdict.job)?.at ?? 0;
    const ours = ofDevice(before, 'sending', device).filter(({ job, at }) => job === verdict.job && at >= last);
    const isSent = verdict.attempt === 0 && ours.some(({ at }) => sent.some((each) => each.at >= at));
    return isSent ? [{ statement: 'UNSENT', what: `${told}, but it was sent to` }] : [];
  }
  const spoken = verdict.status;
  if (spoken !== undefined && !ofDevice(before, 'status', device).some(({ status }) => status === spoken)) {
    return [{ statement: 'NAMED', what: `${told}, but it never said that` }];
  }
  switch (code) {
    case 'UNEXPECTED':
      return [{ statement: 'UPROAR', what: told }];
    case 'OLD_FIRMWARE':
      return wrong('NAMED', asBefore && lately.some(since));
    case 'OTHER_FIRMWARE':
      return wrong(
        'NAMED',
        lately.some(({ checksum }) => checksum !== verdict.before && !image?.includes(checksum)),
      );
    case 'LOST_IN_TRANSFER':
    case 'REBOOT_UNPROVEN':
      return image === undefined ? [] : wrong('NAMED', asBefore);
    case 'NOT_REBOOTED':
    case 'NOT_APPLIED':
      return wrong('NAMED', notBooted);
    case 'VALUE_LOST':
      return others
        ? []
        : wrong(
            'NAMED',
            lately.some(({ file }) => patch !== undefined && !holds(parse(file), patch)),
          );
    default:
      return [];
  }
}

function lastSent(sent: readonly { readonly at: number }[]): number {
  return sent.at(-1)?.at ?? Infinity;
}

function parse(file: string): unknown {
  try {
    return JSON.parse(file);
  } catch {
    return undefined;
  }
}

/** Returns whether a configuration contains all values of a patch. */
function holds(config: unknown, patch: object): boolean {
  const values: Record<string, unknown> = { ...Object(config) };
  return Object.entries(patch).every(([key, value]) =>
    typeof value === 'object' && value !== null ? holds(values[key], value) : values[key] === value,
  );
}

/**
 * Finds images that were sent too often since the device booted them or a person requested them again. The limit is the
 * sum of the attempts that the jobs allow.
 */
function tooOften(seen: readonly Seen[], device: string): string[] {
  const asked = seen.filter((each) => each.kind === 'asked');
  const allowed = (what: string): number => {
    const jobs = new Map(
      asked.filter((each) => each.what === what && each.devices.includes(device)).map((each) => [each.job, each]),
    );
    return [...jobs.values()].reduce((sum, { attempts }) => sum + attempts, 0);
  };
  const counts = new Map<string, number>();
  const violations: string[] = [];
  for (const each of seen) {
    if (each.device !== device) continue;
    if (each.kind === 'allowed') counts.clear();
    if (each.kind === 'boot') counts.delete(each.checksum);
    if (each.kind !== 'published' || each.what === 'patch') continue;
    const count = (counts.get(each.what) ?? 0) + 1;
    counts.set(each.what, count);
    // A real Node-RED does not report which job a message belongs to.
    const most = asked.length === 0 ? Infinity : allowed(each.what);
    if (count > most) violations.push(`${each.what} to ${device}: time ${count} of ${most}`);
  }
  return violations;
}

/**
 * Finds transfers after a cancel. What is canceled was not handed to the socket, so nothing of it may follow, unless
 * another job sends the same.
 */
function afterCancel(seen: readonly Seen[]): string[] {
  return seen.flatMap((verdict, index) => {
    if (verdict.kind !== 'verdict' || verdict.state !== 'canceled') return [];
    const { device, job, image: meanings, at } = verdict;
    const what = meanings?.[0] ?? 'patch';
    const isShared = ofDevice(seen, 'sending', device).some((each) => each.job !== job && each.what === what);
    const isAgain = ofDevice(seen.slice(index), 'allowed', device).length > 0;
    if (isShared || isAgain) return [];
    return ofDevice(seen.slice(index), 'begun', device)
      .filter((each) => each.what === what && each.at > at + ON_ITS_WAY)
      .map(() => `${what} to ${device} after it was canceled`);
  });
}

/**
 * Finds transfers of a stopped image to further devices. A stopped patch stops only its own job. A `sending` reaches
 * the wire (`begun`) only if it passes the gate.
 */
function despiteStop(seen: readonly Seen[]): string[] {
  return seen.flatMap((each, index) => {
    if (each.kind !== 'sending' || each.what === 'patch') return [];
    const { device, job, what } = each;
    const before = seen.slice(0, index);
    const stop = before.findLastIndex((other) => other.kind === 'stopped' && other.what === what);
    const isEnded = before.slice(stop).some(({ kind }) => kind === 'resumed' || kind === 'allowed');
    const wasReached = ofDevice(before.slice(0, stop + 1), 'sending', device).some((other) => other.what === what);
    const messages = before.filter((other) => other.kind === 'asked').filter((other) => other.job === job);
    const isNamed = messages.length === 0 || messages.some(({ named }) => named.includes(device));
    if (stop < 0 || isEnded || wasReached || isNamed) return [];
    return ofDevice(seen.slice(index), 'begun', device)
      .filter((other) => other.what === what)
      .slice(0, 1)
      .map(() => `${what} to ${device}, although it is stopped`);
  });
}

/**
 * Finds images that devices were rolled back from, and that were sent to them again. A device that was seen to boot such an
 * image got it from somebody else.
 */
function despiteRollback(seen: readonly Seen[]): string[] {
  const rollbacks = new Set(seen.flatMap((each) => (each.kind === 'asked' && each.isRollback ? [each.job] : [])));
  return seen.flatMap((verdict, index) => {
    if (verdict.kind !== 'verdict' || verdict.state !== 'succeeded' || !rollbacks.has(verdict.job)) return [];
    const { device, before = '' } = verdict;
    const later = seen.slice(index).filter((each) => each.device === device);
    const end = later.findIndex(
      (each) => each.kind === 'allowed' || (each.kind === 'boot' && each.checksum === before),
    );
    return later
      .slice(0, end < 0 ? undefined : end)
      .filter((each): each is Of<'published'> => each.kind === 'published' && meaningOf(each.what).includes(before))
      .map(({ what }) => `${what} to ${device}, which was rolled back from it`);
  });
}

/**
 * Finds images that were sent to a device while it was excluded from updates. What was decided just before may still be
 * sent. A `sending` reaches the wire (`begun`) only if it passes the gate.
 */
function despiteExclusion(seen: readonly Seen[]): string[] {
  return seen.flatMap((each, index) => {
    if (each.kind !== 'sending' || each.what === 'patch') return [];
    const { device, job, what, at } = each;
    const last = ofDevice(seen.slice(0, index), 'excluded', device).at(-1);
    if (last?.isExcluded !== true || at < last.at + ON_ITS_WAY) return [];
    const messages = seen.filter((other) => other.kind === 'asked').filter((other) => other.job === job);
    if (messages.length === 0 || messages.some(({ named }) => named.includes(device))) return [];
    return ofDevice(seen.slice(index), 'begun', device)
      .filter((other) => other.what === what)
      .slice(0, 1)
      .map(() => `${what} to ${device}, which is excluded`);
  });
}

/** Finds transfers that no message of their job allows, including the messages that joined the job. */
function againstSettings(seen: readonly Seen[]): string[] {
  const sending = seen.filter((each) => each.kind === 'sending');
  const asked = seen.filter((each) => each.kind === 'asked');
  return sending.flatMap(({ job, device, what, at }) => {
    const messages = asked.filter((each) => each.job === job);
    const permitting = messages.filter(({ devices }) => devices.includes(device));
    if (messages.length === 0) return [];
    if (permitting.length === 0) return [`${what} to ${device}, which no message of its job allows`];
    const again = ofDevice(seen, 'allowed', device).findLast((each) => each.at <= at)?.at ?? 0;
    const times = sending.filter((each) => each.job === job && each.device === device && each.at <= at);
    const since = times.filter((each) => each.at >= again).length;
    const most = Math.max(...permitting.map(({ attempts }) => attempts));
    return what !== 'patch' && since > most ? [`${what} to ${device} by one job: time ${since} of ${most}`] : [];
  });
}

/** Bytes. The firmware does not read a file of this size or more (Limits.hpp). */
const TOO_LARGE = 1000;

/** Finds files that a patch of ours has made unusable. Skips a device that somebody else has changed. */
function lost(seen: readonly Seen[], device: string): string[] {
  if (ofDevice(seen, 'other', device).length > 0) return [];
  const patched = ofDevice(seen, 'published', device).find(({ what }) => what === 'patch');
  if (patched === undefined) return [];
  const boots = ofDevice(seen, 'boot', device);
  const had = boots.filter(({ at }) => at < patched.at).some(({ file }) => hasPassword(file));
  return boots
    .filter(({ at }) => at >= patched.at)
    .flatMap(({ file }) => [
      ...(Buffer.byteLength(file) >= TOO_LARGE ? [`${device} has a file of ${Buffer.byteLength(file)} bytes`] : []),
      ...(had && !hasPassword(file) ? [`${device} has no password of its network any more`] : []),
    ]);
}

function hasPassword(file: string): boolean {
  const { wifi }: { wifi?: unknown } = Object(parse(file));
  const { password }: { password?: unknown } = Object(wifi);
  return typeof password === 'string';
}

/**
 * Finds publishes that no job has started, that the client repeats, or that the device receives more often than sent.
 */
function twice(seen: readonly Seen[], device: string): string[] {
  const published = ofDevice(seen, 'published', device);
  const begun = ofDevice(seen, 'sending', device);
  // A real Node-RED does not report each progress.
  const allTold = seen.some(({ kind }) => kind === 'sending');
  const whole = ofDevice(seen, 'whole image', device);
  const count = (of: readonly object[], what: string, key: 'what' | 'md5'): number =>
    of.filter((each) => Reflect.get(each, key) === what).length;
  return [...new Set(published.map(({ what }) => what))].flatMap((what) => {
    const [out, meant, came] = [count(published, what, 'what'), count(begun, what, 'what'), count(whole, what, 'md5')];
    return [
      ...(published.some((each) => each.what === what && each.dup)
        ? [`${what} to ${device} is repeated by the client`]
        : []),
      ...(what !== 'patch' && allTold && out > meant
        ? [`${what} to ${device}: ${out} times, begun ${meant} times`]
        : []),
      ...(came > out ? [`${what} came to ${device} ${came} times, sent ${out} times`] : []),
    ];
  });
}

/** Finds images sent to a device that had something to boot. Skips devices that somebody else has changed. */
function pending(seen: readonly Seen[]): string[] {
  const others = new Set(seen.filter(({ kind }) => kind === 'other').map(({ device }) => device));
  return seen
    .filter((each): each is Of<'image'> => each.kind === 'image')
    .filter((each) => each.pending && !others.has(each.device))
    .map(({ device, md5 }) => `${md5} came to ${device}, which had something to boot`);
}

/** Verdicts after which the device was not seen again or not observed. The next job frees such a device. */
const unseen: ReadonlySet<string | undefined> = new Set(['NOT_BACK', 'NOT_READY', 'NOT_ACCEPTED', 'already_sent']);

/** Returns whether a device is left half dead. False for a device that somebody else has changed. */
function isHalfDead({ device, there, halfDead }: Left, seen: readonly Seen[]): boolean {
  if (!there || !halfDead || ofDevice(seen, 'other', device).length > 0) return false;
  const verdict = ofDevice(seen, 'verdict', device).findLast(({ attempt }) => attempt > 0);
  return !unseen.has(verdict?.code) && !unseen.has(verdict?.reason);
}
