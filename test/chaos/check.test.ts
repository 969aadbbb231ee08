import assert from 'node:assert/strict';
import { check, statements, type Statement } from './check';
import type { RunRecord, Seen, Verdict } from './record';

const [OLD, NEW, STRANGE] = ['a'.repeat(32), 'b'.repeat(32), 'c'.repeat(32)];
const device = 'lamp';
const file = (brightness: number): string => JSON.stringify({ ota: { enabled: true }, settings: { brightness } });

/** A step of a run, as a function of its time. Steps are seconds apart. */
type Step = (at: number) => Seen;

const boot =
  (checksum: string, brightness = 1, mac = 'A'): Step =>
  (at) => ({ kind: 'boot', at, device, checksum, file: file(brightness), mac });
const secretBoot =
  (password: string | null): Step =>
  (at) => ({ kind: 'boot', at, device, checksum: OLD, file: JSON.stringify({ wifi: { ssid: 'net', password } }) });
const sending: Step = (at) => ({ kind: 'sending', at, device, job: 'job', what: NEW });
const published: Step = (at) => ({ kind: 'published', at, device, what: NEW, dup: false });
const begun: Step = (at) => ({ kind: 'begun', at, device, what: NEW });
const asked =
  (attempts = 2, devices = [device], job = 'job', named = devices): Step =>
  (at) => ({ kind: 'asked', at, device: '', job, what: NEW, devices, named, attempts });
const askedForAll = asked(2, [device], 'job', []);
const stopped: Step = (at) => ({ kind: 'stopped', at, device: '', what: NEW });
const resumed: Step = (at) => ({ kind: 'resumed', at, device: '' });
const repeated: Step = (at) => ({ kind: 'published', at, device, what: NEW, dup: true });
const patch: Step = (at) => ({ kind: 'published', at, device, what: 'patch', dup: false });
const status =
  (text: string): Step =>
  (at) => ({ kind: 'status', at, device, status: text });
const image =
  (pending = false): Step =>
  (at) => ({ kind: 'image', at, device, md5: NEW, pending });
const whole: Step = (at) => ({ kind: 'whole image', at, device, md5: NEW });
const other: Step = (at) => ({ kind: 'other', at, device });
const excluded =
  (isExcluded = true): Step =>
  (at) => ({ kind: 'excluded', at, device, isExcluded });
const allowed: Step = (at) => ({ kind: 'allowed', at, device });
const verdict =
  (state: Verdict['state'], more: Partial<Verdict> = {}): Step =>
  (at) => ({ kind: 'verdict', at, device, job: 'job', state, attempt: 1, before: OLD, image: [NEW], ...more });
const change =
  (state: Verdict['state'], more: Partial<Verdict> = {}): Step =>
  (at) => ({
    kind: 'verdict',
    at,
    device,
    job: 'job',
    state,
    attempt: 1,
    patch: { settings: { brightness: 2 } },
    ...more,
  });
const failed = (code: string, more: Partial<Verdict> = {}): Step => verdict('failed', { code, ...more });

const hall: Partial<Verdict> = { device: 'hall' };
/** A message with canaries that are observed for 10 s, that allows one failure. */
const rollout: Step = (at) => ({
  kind: 'asked',
  at,
  device: '',
  job: 'job',
  what: NEW,
  devices: ['hall', device],
  named: ['hall', device],
  attempts: 2,
  rollout: { canary: 1, soak: 10_000, maxFailures: 1 },
});
const withoutLimit: Step = (at) => ({ ...rollout(at), rollout: { canary: 1, soak: 10_000, maxFailures: 0 } });
const away =
  (which: string): Step =>
  (at) => ({ kind: 'away', at, device: which });
/** A transfer, from the gate to the wire, at one time. */
const transfer: readonly Step[] = [sending, (at) => ({ kind: 'begun', at: at - 1000, device, what: NEW })];
const held =
  (isHeld: boolean, isNew = false): Step =>
  (at) => ({ kind: 'held', at, device: '', job: 'job', isHeld, isNew });
const unstable: Step = (at) => ({ kind: 'unstable', at, device: '', job: 'job' });
const hallBoot: Step = (at) => ({ kind: 'boot', at, device: 'hall', checksum: NEW, file: file(1), mac: 'A' });
const hallSucceeded: Step = verdict('succeeded', hall);
const hallFailed: Step = failed('STALLED', hall);
const taken: Step = change('failed', { code: 'NOT_BACK', taken: ['settings.brightness'] });
const between = (waited: string): Step =>
  change('canceled', { reason: 'already_sent', taken: ['settings.brightness'], waited });

/** A rollback from `NEW` to `OLD`, from the message to the result. */
const rolledBack: readonly Step[] = [
  boot(NEW),
  (at) => ({
    kind: 'asked',
    at,
    device: '',
    job: 'job',
    what: OLD,
    devices: [device],
    named: [],
    attempts: 2,
    isRollback: true,
  }),
  (at) => ({ kind: 'published', at, device, what: OLD, dup: false }),
  boot(OLD),
  verdict('succeeded', { image: [OLD], before: NEW }),
];
const nothing: RunRecord = { seen: [], unfinished: [], left: [], uproar: [], leaks: [] };
const run = (steps: readonly Step[], more: Partial<RunRecord> = {}): RunRecord => ({
  ...nothing,
  seen: steps.map((step, index) => step(1000 * index)),
  ...more,
});
const violated = (record: RunRecord): string[] => check(record).map(({ statement }) => statement);

/** For each statement: records that comply, and records that violate it. */
const cases: Record<Statement, { right: Record<string, RunRecord>; wrong: Record<string, RunRecord> }> = {
  SUCCEEDED: {
    right: {
      'an image that was sent and booted': run([
        boot(OLD),
        sending,
        published,
        boot(NEW),
        verdict('succeeded', { reboot: 'proven' }),
      ]),
      'a patch that was sent and booted': run([boot(OLD), patch, boot(OLD, 2), change('succeeded')]),
    },
    wrong: {
      'an image that was not booted': run([boot(OLD), sending, published, verdict('succeeded', { reboot: 'proven' })]),
      'an image after which the old one was booted': run([
        boot(OLD),
        sending,
        published,
        boot(OLD),
        verdict('succeeded'),
      ]),
      'an image that ran, and is replaced since': run([
        boot(OLD),
        sending,
        published,
        boot(NEW),
        boot(STRANGE),
        boot(STRANGE),
        verdict('succeeded'),
      ]),
      'a reinstallation that was not booted': run([
        boot(NEW),
        sending,
        published,
        verdict('succeeded', { reboot: 'proven' }),
      ]),
      'a patch that was not booted': run([boot(OLD), patch, change('succeeded')]),
      'a patch of which nothing came': run([boot(OLD), patch, boot(OLD), change('succeeded')]),
      'an image that another device with the same id runs': run([
        boot(OLD, 1, 'A'),
        sending,
        published,
        boot(NEW, 1, 'B'),
        verdict('succeeded', { reboot: 'proven' }),
      ]),
    },
  },
  NAMED: {
    right: {
      'the old firmware': run([boot(OLD), sending, published, boot(OLD), failed('OLD_FIRMWARE')]),
      'another firmware': run([boot(OLD), sending, published, boot(STRANGE), failed('OTHER_FIRMWARE')]),
      'no reboot': run([boot(OLD), sending, published, failed('NOT_REBOOTED')]),
      'what the device said': run([
        boot(OLD),
        sending,
        published,
        status('500 FLASH_ERROR'),
        failed('FLASH_ERROR', { status: '500 FLASH_ERROR' }),
      ]),
      'an image that is there already': run([boot(NEW), verdict('skipped', { reason: 'up_to_date' })]),
      'nothing at all': run([boot(OLD), sending, published, boot(NEW), failed('NOT_BACK')]),
      'a value that was lost': run([boot(OLD), patch, boot(OLD), change('failed', { code: 'VALUE_LOST' })]),
    },
    wrong: {
      'the old firmware, where the new one runs': run([
        boot(OLD),
        sending,
        published,
        boot(NEW),
        failed('OLD_FIRMWARE'),
      ]),
      'the old firmware, where nothing was booted': run([boot(OLD), sending, published, failed('OLD_FIRMWARE')]),
      'another firmware, where the new one runs': run([
        boot(OLD),
        sending,
        published,
        boot(NEW),
        failed('OTHER_FIRMWARE'),
      ]),
      'a loss in the middle, where the new one runs': run([
        boot(OLD),
        sending,
        published,
        boot(NEW),
        failed('LOST_IN_TRANSFER'),
      ]),
      'no reboot, where there was one': run([boot(OLD), sending, published, boot(OLD), failed('NOT_REBOOTED')]),
      'what the device did not say': run([
        boot(OLD),
        sending,
        published,
        status('200'),
        failed('FLASH_ERROR', { status: '500 FLASH_ERROR' }),
      ]),
      'an image that is not there': run([boot(OLD), verdict('skipped', { reason: 'up_to_date' })]),
      'a configuration that is not there': run([boot(OLD), change('skipped', { reason: 'no_change' })]),
      'a ban on updates that is not there': run([boot(OLD), verdict('skipped', { reason: 'ota_disabled' })]),
      'a value as lost that is there': run([boot(OLD), patch, boot(OLD, 2), change('failed', { code: 'VALUE_LOST' })]),
      'a patch as not applied that was booted': run([
        boot(OLD),
        patch,
        boot(OLD, 2),
        change('failed', { code: 'NOT_APPLIED' }),
      ]),
    },
  },
  UNSENT: {
    right: {
      'a device to which nothing was sent': run([boot(OLD), verdict('rejected', { attempt: 0 })]),
      'a device that is refused when it is tried again': run([
        boot(OLD),
        sending,
        published,
        failed('STALLED'),
        verdict('rejected', { attempt: 0 }),
      ]),
    },
    wrong: { 'a device that was sent to': run([boot(OLD), sending, published, verdict('rejected', { attempt: 0 })]) },
  },
  ENDED: {
    right: { 'nothing left': nothing },
    wrong: { 'a job that hangs': run([], { unfinished: ['a job'] }) },
  },
  ATTEMPTS: {
    right: {
      'as often as allowed': run([asked(), sending, published, sending, published]),
      'again when a person allows it': run([
        asked(),
        sending,
        published,
        sending,
        published,
        allowed,
        sending,
        published,
      ]),
      'again when it ran': run([asked(1), published, boot(NEW), published]),
      'as often as two jobs are allowed to': run([asked(1), asked(1, [device], 'another'), published, published]),
    },
    wrong: {
      'more often': run([asked(), published, published, published]),
      'by a job that does not name the device': run([asked(1), asked(1, ['hall'], 'another'), published, published]),
    },
  },
  HELD: {
    right: {
      'another message after a rollback': run([...rolledBack, asked(2, [device], 'another')]),
      'a retry': run([...rolledBack, asked(2, [device], 'another'), allowed, published]),
      'an image that the device got from somebody else': run([
        ...rolledBack,
        asked(2),
        boot(NEW),
        boot(OLD),
        published,
      ]),
    },
    wrong: { 'an update': run([...rolledBack, asked(2, [device], 'another'), published]) },
  },
  TWICE: {
    right: { 'once each': run([sending, published, whole, sending, published, whole]) },
    wrong: {
      'what was not begun': run([sending, published, published]),
      'what is marked as repeated': run([sending, repeated]),
      'what came twice': run([sending, published, whole, whole]),
    },
  },
  PENDING: {
    right: {
      'a device that has nothing to boot': run([sending, published, image()]),
      'a device that somebody else has sent something': run([other, sending, published, image(true)]),
    },
    wrong: { 'a device that has something to boot': run([sending, published, image(true)]) },
  },
  CANCELED: {
    right: {
      'what was on the wire before': run([sending, begun, verdict('canceled')]),
      'what another job brings': run([verdict('canceled', { job: 'another' }), sending, begun]),
      'what a person wants again': run([verdict('canceled'), allowed, sending, begun]),
      'another image': run([verdict('canceled', { image: [STRANGE] }), begun]),
    },
    wrong: {
      'what comes later': run([sending, verdict('canceled'), begun]),
      'a patch that comes later': run([
        change('canceled'),
        (at): Seen => ({ kind: 'begun', at, device, what: 'patch' }),
      ]),
    },
  },
  STOPPED: {
    right: {
      'a device that is named by its full id': run([stopped, asked(), sending, begun]),
      'a device that was reached before': run([askedForAll, sending, begun, stopped, sending, begun]),
      'what goes on by resume': run([stopped, askedForAll, resumed, sending, begun]),
      'what goes on by retry': run([stopped, askedForAll, allowed, sending, begun]),
      'another image': run([
        (at): Seen => ({ kind: 'stopped', at, device: '', what: STRANGE }),
        askedForAll,
        sending,
        begun,
      ]),
      'what was on the wire before': run([askedForAll, sending, begun, stopped]),
      'what the gate holds back': run([stopped, askedForAll, sending]),
    },
    wrong: {
      'a device that is not named': run([stopped, askedForAll, sending, begun]),
      'a device that is not named, after another stop': run([stopped, resumed, stopped, askedForAll, sending, begun]),
    },
  },
  CANARY: {
    right: {
      'the canary itself': run([rollout, ...transfer]),
      'a further device after the observation': run([
        rollout,
        hallBoot,
        hallSucceeded,
        ...Array.from({ length: 10 }, () => boot(OLD)),
        ...transfer,
      ]),
      'another canary after the first was away': run([rollout, hallBoot, hallSucceeded, away('hall'), ...transfer]),
    },
    wrong: {
      'a further device while the canary is observed': run([rollout, hallBoot, hallSucceeded, ...transfer]),
    },
  },
  UNSTABLE: {
    right: {
      'a canary that was away': run([rollout, hallBoot, hallSucceeded, away('hall'), unstable]),
      'a canary that was harmed': run([rollout, failed('NOT_BACK', hall), unstable]),
      'a canary that has rebooted': run([rollout, hallBoot, hallSucceeded, hallBoot, unstable]),
    },
    wrong: { 'a canary that was there all the time': run([rollout, hallBoot, hallSucceeded, unstable]) },
  },
  FAILURES: {
    right: {
      'what a person resumes': run([rollout, hallFailed, resumed, ...transfer]),
      'what goes on after a failure that harms nothing': run([withoutLimit, hallFailed, ...transfer]),
      'what the gate holds back': run([rollout, hallFailed, sending]),
    },
    wrong: {
      'what nobody resumes': run([rollout, hallFailed, ...transfer]),
      'what goes on after a harmed canary': run([withoutLimit, failed('NOT_BACK', hall), ...transfer]),
    },
  },
  PAUSED: {
    right: {
      'a job that goes on': run([held(true), held(false), ...transfer]),
      'another job': run([
        held(true),
        (at): Seen => ({ kind: 'sending', at, device, job: 'another', what: NEW }),
        ...transfer.slice(1),
      ]),
      'what the gate holds back': run([held(true), sending]),
    },
    wrong: {
      'a paused job': run([held(true), ...transfer]),
      'a job that was paused long before a restart': run([held(true), boot(OLD), held(false, true), ...transfer]),
    },
  },
  IN_TIME: {
    right: {
      'a change of which a step was under way': run([
        boot(OLD),
        patch,
        boot(OLD, 2),
        change('canceled', { reason: 'already_sent', taken: ['settings.brightness'] }),
      ]),
    },
    wrong: { 'a change that waited between two steps': run([boot(OLD), patch, boot(OLD, 2), between('paused')]) },
  },
  TAKEN: {
    right: { 'what it has booted with': run([boot(OLD), patch, boot(OLD, 2), taken]) },
    wrong: { 'what it has booted with at no time': run([boot(OLD), patch, boot(OLD), taken]) },
  },
  EXCLUDED: {
    right: {
      'a device that the message names': run([excluded(), asked(), sending, begun]),
      'a device that is included again': run([excluded(), excluded(false), askedForAll, sending, begun]),
      'what was sent before': run([askedForAll, sending, begun, excluded()]),
      'what the gate holds back': run([excluded(), askedForAll, sending]),
    },
    wrong: { 'a device that no message names': run([excluded(), askedForAll, sending, begun]) },
  },
  SETTINGS: {
    right: {
      'a device that is named': run([asked(), sending]),
      'a device that a message names which has joined': run([asked(2, ['hall']), asked(), sending]),
      'as often as allowed, and again when a person wants it': run([asked(1), sending, allowed, sending]),
    },
    wrong: {
      'a device that is excluded': run([asked(2, ['hall']), sending]),
      'a device more often than its job is allowed to': run([
        asked(1),
        asked(2, [device], 'another'),
        sending,
        sending,
      ]),
    },
  },
  LOST: {
    right: {
      'a file that the device can start with': run([secretBoot('x'), patch, secretBoot('y')]),
      'a network that had no password before': run([boot(OLD), patch, boot(OLD, 2)]),
      'what somebody else has changed': run([secretBoot('x'), other, patch, secretBoot(null)]),
    },
    wrong: {
      'a password that is null': run([secretBoot('x'), patch, secretBoot(null)]),
      'a file of 1,000 bytes': run([secretBoot('x'), patch, secretBoot('x'.repeat(1000))]),
    },
  },
  HALF_DEAD: {
    right: {
      'a device that is off': run([], { left: [{ device, there: false, halfDead: true }] }),
      'a device that came back after its deadline': run([boot(OLD), sending, published, failed('NOT_BACK')], {
        left: [{ device, there: true, halfDead: true }],
      }),
      'a device that somebody else left so': run([other], { left: [{ device, there: true, halfDead: true }] }),
    },
    wrong: { 'a device that is there': run([], { left: [{ device, there: true, halfDead: true }] }) },
  },
  LOCKED: {
    right: { 'a device that is free': run([], { left: [{ device, there: true, halfDead: false }] }) },
    wrong: { 'a device that is held': run([], { left: [{ device, there: true, halfDead: false, lockedBy: 'job' }] }) },
  },
  UPROAR: {
    right: { none: nothing },
    wrong: {
      'a rejection': run([], { uproar: ['Error'] }),
      'a defect': run([boot(OLD), failed('UNEXPECTED')]),
    },
  },
  LEAKS: {
    right: { none: nothing },
    wrong: { 'a timer': run([], { leaks: ['Timeout'] }) },
  },
};

describe('what is checked after each run of chaos', () => {
  for (const [statement, { right, wrong }] of Object.entries(cases)) {
    const title = Object.entries(statements).find(([name]) => name === statement)?.[1] ?? '';
    describe(title, () => {
      for (const [what, record] of Object.entries(right)) {
        it(`lets pass: ${what}`, () => assert.deepEqual(violated(record), []));
      }
      for (const [what, record] of Object.entries(wrong)) {
        it(`catches: ${what}`, () => assert.deepEqual(violated(record), [statement]));
      }
    });
  }

  it('takes what a device ran a moment ago for what is on its way', () => {
    const seen = run([boot(OLD), sending, published, boot(NEW)]).seen;
    const late: Seen[] = [
      ...seen,
      { kind: 'boot', at: 3400, device, checksum: STRANGE, file: file(1) },
      { kind: 'verdict', at: 3500, device, job: 'job', state: 'succeeded', attempt: 1, before: OLD, image: [NEW] },
    ];
    assert.deepEqual(violated({ ...nothing, seen: late }), []);
  });
});
