import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HomieError } from '../../src/errors';
import { ignoredKeys, named, sentenceOf, jobText } from '../../src/update/sentence';
import { reportError, summarize, type Update } from '../../src/update/update';

const queued: Update = {
  job: 'job',
  device: 'kitchen-light',
  state: 'queued',
  progress: 0,
  written: 0,
  total: 80_000,
  estimated: false,
  from: { name: 'my-light', version: '1.1.0' },
  to: { name: 'my-light', version: '1.2.0', size: 80_000 },
  attempt: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  duration: 0,
};
const { to: _to, ...patch } = queued;
const flashing = { state: 'running', phase: 'flashing', progress: 43.7, remaining: 8 } as const;
const failure = reportError(new HomieError('NOT_BACK', {}, { message: 'The device did not come back.' }));

const STOPPED = 'An earlier rollout was stopped.';

const sentences: readonly [sentence: string, update: Partial<Update>][] = [
  ['queued.', {}],
  ['waiting, the device is offline.', { state: 'waiting', reason: 'offline' }],
  [
    'waiting. There is no connection to the broker.',
    { state: 'waiting', reason: 'offline', hint: 'There is no connection to the broker.' },
  ],
  [
    'waiting. Never seen; did you mean my-light?',
    { state: 'waiting', reason: 'never_seen', hint: 'Never seen; did you mean my-light?' },
  ],
  ['waiting, the time window is closed.', { state: 'waiting', reason: 'window' }],
  ['waiting for the canary devices.', { state: 'waiting', reason: 'canary' }],
  ['waiting, the job is paused.', { state: 'waiting', reason: 'paused' }],
  ['waiting, the job was stopped by failures.', { state: 'waiting', reason: 'stopped' }],
  ['updating to my-light 1.2.0, sending.', { state: 'running', phase: 'sending' }],
  ['updating to my-light 1.2.0, 43 %, about 8 s left.', flashing],
  ['updating to my-light 1.2.0, 43 %, about 8 s left, attempt 2.', { ...flashing, attempt: 2 }],
  ['updating to my-light 1.2.0, 43 %, no response from the device.', { ...flashing, phase: 'silent' }],
  ['updating to my-light 1.2.0, rebooting.', { state: 'running', phase: 'rebooting', progress: 95 }],
  ['updated from my-light 1.1.0 to 1.2.0.', { state: 'succeeded', reboot: 'proven' }],
  ['updated to my-light 1.2.0.', { state: 'succeeded', reboot: 'proven', from: {} }],
  ['updated from old 7 to my-light 1.2.0.', { state: 'succeeded', from: { name: 'old', version: '7' } }],
  ['later updated from my-light 1.1.0 to 1.2.0.', { state: 'succeeded', late: true }],
  ['updated from my-light 1.1.0 to 1.2.0, but no reboot was seen.', { state: 'succeeded', reboot: 'unproven' }],
  ['up to date, runs my-light 1.2.0.', { state: 'skipped', reason: 'up_to_date' }],
  [
    'skipped, a newer version is installed. Use allowDowngrade.',
    { state: 'skipped', reason: 'older', hint: 'Use allowDowngrade.' },
  ],
  ['held back. It did not come back.', { state: 'skipped', reason: 'held', hint: 'It did not come back.' }],
  ['skipped. An earlier rollout was stopped.', { state: 'skipped', reason: 'stopped', hint: STOPPED }],
  ['failed: The device did not come back.', { state: 'failed', error: failure }],
  ['timed out: The device did not come back.', { state: 'timed_out', error: failure }],
  ['refused: The device did not come back.', { state: 'rejected', error: failure }],
  ['canceled, superseded by a newer job.', { state: 'canceled', reason: 'superseded' }],
  ['canceled. It may still take it.', { state: 'canceled', reason: 'already_sent', hint: 'It may still take it.' }],
];

const changes: typeof sentences = [
  ['changing the configuration, received by the device.', { state: 'running', phase: 'received' }],
  ['configuration changed.', { state: 'succeeded', reboot: 'proven' }],
  ['nothing to change.', { state: 'skipped', reason: 'no_change' }],
];

describe('the sentence about an update', () => {
  for (const [sentence, update] of sentences) {
    it(`says "${sentence}"`, () => {
      assert.equal(sentenceOf({ ...queued, ...update }), `kitchen-light: ${sentence}`);
    });
  }
  for (const [sentence, update] of changes) {
    it(`says of a configuration "${sentence}"`, () => {
      assert.equal(sentenceOf({ ...patch, ...update }), `kitchen-light: ${sentence}`);
    });
  }

  it('names a firmware by its checksum where nothing else is known of it', () => {
    const checksum = '0'.repeat(32);
    assert.equal(named({ checksum }), `the image ${checksum}`);
    assert.equal(named({}), 'the image');
    assert.equal(named({ name: 'my-light', checksum }), 'my-light');
  });

  it('says what a device runs that is up to date, also where no image was meant for it', () => {
    const upToDate: Update = { ...patch, state: 'skipped', reason: 'up_to_date' };
    assert.equal(sentenceOf(upToDate), 'kitchen-light: up to date, runs my-light 1.1.0.');
  });

  it('stays one line, whatever a device says that it runs', () => {
    const from = { name: 'my-light\r\n', version: '\u202e1' };
    const sentence = sentenceOf({ ...queued, from, state: 'succeeded' });
    assert.match(sentence, /^kitchen-light: updated from .+ to .+\.$/);
    assert.doesNotMatch(sentence, /[\r\n\u202e]/);
  });

  it('is the text of a job with one device', () => {
    const update: Update = { ...queued, ...flashing };
    assert.equal(summarize('job', [update], 0).text, sentenceOf(update));
  });
});

describe('the sentence about the devices of a job', () => {
  const devices = (count: number, update: Partial<Update>): Update[] =>
    Array.from({ length: count }, (_, index) => ({
      ...queued,
      device: `${update.reason ?? update.state}-${index}`,
      ...update,
    }));

  it('counts and names them by what they wait for, and by how they ended', () => {
    const text = jobText([
      ...devices(1, { state: 'failed', error: failure }),
      ...devices(6, { state: 'waiting', reason: 'offline' }),
      ...devices(2, { state: 'waiting', reason: 'canary' }),
      ...devices(1, { state: 'succeeded' }),
    ]);
    assert.equal(
      text,
      '10 devices: 6 offline, waiting (offline-0, offline-1, offline-2, offline-3, offline-4 …), ' +
        '2 waiting for canary (canary-0, canary-1), 1 updated (succeeded-0), 1 failed (failed-0).',
    );
  });

  it('says once why devices were skipped after an earlier rollout, and not of those that wait in a stopped job', () => {
    const skipped = devices(2, { state: 'skipped', reason: 'stopped', hint: STOPPED });
    assert.equal(jobText(skipped), `2 devices: 2 skipped (stopped-0, stopped-1). ${STOPPED}`);
    const waiting = devices(2, { state: 'waiting', reason: 'stopped' });
    assert.equal(jobText(waiting), '2 devices: 2 stopped by failures (stopped-0, stopped-1).');
  });

  it('counts every device once, whatever they do', () => {
    const states = fc.constantFrom<Partial<Update>[]>(...[...sentences, ...changes].map(([, update]) => update));
    fc.assert(
      fc.property(fc.array(states, { minLength: 2, maxLength: 30 }), (updates) => {
        const text = jobText(updates.map((update, index) => ({ ...queued, ...update, device: `d${index}` })));
        const counts = [...text.matchAll(/[:,] (\d+) [^()]+ \(/g)].map(([, count]) => Number(count));
        assert.equal(
          counts.reduce((sum, count) => sum + count, 0),
          updates.length,
          text,
        );
      }),
    );
  });
});

describe('the sentence about unknown keys', () => {
  const report = (...paths: string[]) => ({
    warnings: paths.map((path) => ({ code: 'UNKNOWN_KEY', path, message: `Unknown: ${path}.`, hint: '' })),
  });

  it('names each key once, three of them at most', () => {
    assert.equal(ignoredKeys([report('a'), report('a', 'b')]), ' Unknown: a. Unknown: b.');
    assert.equal(ignoredKeys([report('a', 'b', 'c')]), ' Unknown: a. Unknown: b. Unknown: c.');
    assert.equal(
      ignoredKeys([report('a', 'b', 'c'), report('d', 'e')]),
      ' Unknown: a. Unknown: b. Unknown: c. (And 2 more unknown keys.)',
    );
  });

  it('says nothing of other warnings', () => {
    assert.equal(ignoredKeys([{ warnings: [{ code: 'OTHER', path: 'a', message: 'Other.', hint: '' }] }]), '');
  });
});
