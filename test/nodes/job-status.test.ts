import assert from 'node:assert/strict';
import { errorStatus, jobStatus, type Shown } from '../../nodes/shared/job-status';
import { translations } from '../../scripts/node-files';
import german from '../../src/texts/de.json';
import english from '../../src/texts/en-US.json';
import { isErrorCode, type ErrorCode } from '../../src/texts/text';

const to = { name: 'my-light', version: '1.1.0' };
const changing = (state: Shown['state'], more: Partial<Shown> = {}): Shown => ({ state, progress: 0, ...more });
const device = (state: Shown['state'], more: Partial<Shown> = {}): Shown => changing(state, { to, ...more });
const failed = (code: ErrorCode): Shown => device('failed', { error: { code } });
const states = [
  'queued',
  'waiting',
  'running',
  'succeeded',
  'skipped',
  'failed',
  'timed_out',
  'rejected',
  'canceled',
] as const;
const phases = ['sending', 'accepted', 'silent', 'received', 'rebooting', 'verifying'] as const;
const reasons = ['up_to_date', 'older', 'ota_disabled', 'no_change', 'held', 'excluded', 'withdrawn'] as const;
const waits = ['offline', 'never_seen', 'busy', 'window', 'canary', 'paused', 'stopped'] as const;

describe('the status below a node with jobs', () => {
  it('tells what one device does', () => {
    assert.deepEqual(jobStatus([device('waiting')]), {
      fill: 'yellow',
      shape: 'ring',
      text: 'waiting',
    });
    assert.deepEqual(jobStatus([device('running', { phase: 'sending' })]), {
      fill: 'blue',
      shape: 'dot',
      text: 'sending',
    });
    assert.equal(jobStatus([device('running', { phase: 'flashing', progress: 45.9 })]).text, '45 %');
    assert.equal(jobStatus([device('succeeded', { progress: 100 })]).fill, 'green');
    assert.equal(jobStatus([device('skipped', { reason: 'older' })]).text, 'newer installed');
    assert.deepEqual(jobStatus([device('skipped', { reason: 'held' })]), {
      fill: 'grey',
      shape: 'ring',
      text: 'held back',
    });
    assert.equal(jobStatus([device('canceled', { reason: 'superseded' })]).text, 'superseded');
    assert.deepEqual(jobStatus([device('skipped', { reason: 'no_change' })]), {
      fill: 'green',
      shape: 'ring',
      text: 'nothing to change',
    });
    assert.deepEqual(jobStatus([failed('NOT_BACK')]), {
      fill: 'red',
      shape: 'dot',
      text: 'not back',
    });
  });

  it('names the device that may be meant by an id that was never seen', () => {
    const unknown = device('waiting', { reason: 'never_seen', hint: 'Never seen; did you mean my-Light-3?' });
    assert.deepEqual(jobStatus([unknown]), {
      fill: 'yellow',
      shape: 'ring',
      text: 'never seen; did you mean my-Light-3?',
    });
    const stranger = device('waiting', { reason: 'never_seen', hint: 'Never seen under homie/.' });
    assert.equal(jobStatus([stranger]).text, 'never seen');
  });

  it('counts several devices', () => {
    const devices = [
      device('succeeded'),
      failed('NOT_BACK'),
      device('running', { phase: 'flashing', progress: 12 }),
      device('waiting'),
    ];
    assert.deepEqual(jobStatus(devices), { fill: 'blue', shape: 'dot', text: '2/4 ✗1 12 %' });
    assert.deepEqual(jobStatus([device('waiting'), device('queued')]), { fill: 'yellow', shape: 'dot', text: '0/2' });
    const known = device('skipped', { reason: 'up_to_date' });
    assert.deepEqual(jobStatus([device('succeeded'), known]), { fill: 'green', shape: 'dot', text: '✓2' });
    assert.deepEqual(jobStatus([device('succeeded'), device('canceled'), failed('STALLED')]), {
      fill: 'red',
      shape: 'dot',
      text: '✓1 ✗1 –1',
    });
  });

  it('counts only devices as done that are as they should be', () => {
    const skipped = (reason: NonNullable<Shown['reason']>): Shown => device('skipped', { reason });
    const done = [device('succeeded'), skipped('up_to_date'), skipped('no_change'), skipped('excluded')];
    assert.deepEqual(jobStatus(done), { fill: 'green', shape: 'dot', text: '✓4' });
    for (const other of [skipped('older'), skipped('ota_disabled')]) {
      assert.deepEqual(jobStatus([...done, other]), { fill: 'green', shape: 'dot', text: '✓4 –1' });
    }
    for (const other of [device('canceled'), skipped('held'), skipped('stopped')]) {
      assert.deepEqual(jobStatus([...done, other]), { fill: 'grey', shape: 'dot', text: '✓4 –1' });
    }
    const canceled = [device('canceled', { reason: 'superseded' }), device('canceled')];
    assert.deepEqual(jobStatus(canceled), { fill: 'grey', shape: 'dot', text: '✓0 –2' });
  });

  it('is yellow where the firmware does not know a key that was set', () => {
    const warnings = [{ code: 'UNKNOWN_KEY', path: 'colour', message: 'Homie does not know colour and ignores it.' }];
    const set = device('succeeded', { config: { warnings } });
    assert.deepEqual(jobStatus([set]), {
      fill: 'yellow',
      shape: 'dot',
      text: 'unknown key',
    });
    assert.deepEqual(jobStatus([set, device('succeeded')]), {
      fill: 'yellow',
      shape: 'dot',
      text: '✓2 ⚠1',
    });
    assert.equal(jobStatus([set, failed('NOT_BACK')]).text, '✓1 ✗1 ⚠1');
    assert.equal(jobStatus([device('rejected', { config: { warnings } })]).fill, 'red');
  });

  it('tells that nothing more is started, once nothing runs', () => {
    const devices = [failed('NOT_BACK'), device('waiting')];
    assert.deepEqual(jobStatus(devices, 'stopped'), {
      fill: 'red',
      shape: 'ring',
      text: 'stopped by failures',
    });
    assert.deepEqual(jobStatus([device('waiting')], 'paused'), {
      fill: 'yellow',
      shape: 'ring',
      text: 'paused',
    });
    assert.equal(jobStatus([...devices, device('running')], 'stopped').text, '1/3 ✗1');
  });

  it('says that a configuration was changed, and a firmware updated', () => {
    const look = { fill: 'green', shape: 'dot' } as const;
    assert.deepEqual(jobStatus([changing('succeeded')]), { ...look, text: 'changed' });
    assert.deepEqual(jobStatus([device('succeeded')]), { ...look, text: 'updated' });
  });

  it('is gray for a canceled device', () => {
    assert.deepEqual(jobStatus([device('canceled')]), { fill: 'grey', shape: 'ring', text: 'canceled' });
  });

  it('has texts that are shorter than 20 characters, and that the editor can look up', () => {
    const { errors } = english;
    const codes = Object.keys(errors).filter(isErrorCode);
    const shown: Shown[] = [
      ...states.map((state) => device(state)),
      ...phases.map((phase) => device('running', { phase })),
      ...reasons.map((reason) => device('skipped', { reason })),
      device('canceled', { reason: 'superseded' }),
      changing('succeeded'),
      changing('succeeded', { config: { warnings: [{ code: 'UNKNOWN_KEY', path: 'a', message: 'a' }] } }),
      ...waits.map((reason) => device('waiting', { reason })),
      ...codes.map(failed),
    ];
    const halted = (['paused', 'stopped'] as const).map((why) => jobStatus([device('waiting')], why));
    const statuses = [...shown.map((one) => jobStatus([one])), ...halted, ...codes.map(errorStatus)];
    for (const { text = '' } of statuses) assert.match(text, /^[^:.]{4,19}$/);
    // The editor would take : and . for parts of a key.
    const known = [...Object.values(english.words), ...codes.map((code) => errors[code].status)];
    for (const text of known) assert.match(text, /^[A-Za-z][^:.]{3,18}$/);
    for (const text of Object.values(german.words)) assert.match(text, /^.{4,22}$/);
    assert.deepEqual(translations(english, english), {});
    const inGerman = translations(english, german);
    assert.equal(inGerman['offline, waiting'], german.words.offline);
    assert.equal(inGerman[errors.NOT_BACK.status], german.errors.NOT_BACK.status);
  });

  it('stays short with many devices', () => {
    const many = Array.from({ length: 200 }, (_, index) => (index < 100 ? failed('NOT_BACK') : device('succeeded')));
    const { text = '' } = jobStatus([...many, device('running', { phase: 'flashing', progress: 95 })]);
    assert.equal(text, '200/201 ✗100 95 %');
    assert.ok(text.length < 20);
  });
});
