import assert from 'node:assert/strict';
import type { NodeStatus } from 'node-red';
import { errorStatus, jobStatus as statusOf, type Shown } from '../../nodes/shared/job-status';
import config from '../../nodes/homie-config/locales/en-US.json';
import ota from '../../nodes/homie-ota/locales/en-US.json';
import { errors } from '../../src/texts/en-US.json';
import { isErrorCode, type ErrorCode } from '../../src/texts/text';
import { words } from '../../src/update/sentence';

const device = (state: Shown['state'], more: Partial<Shown> = {}): Shown => ({ state, progress: 0, ...more });
const failed = (code: ErrorCode): Shown => device('failed', { error: { code } });
const jobStatus = (devices: readonly Shown[]): NodeStatus => statusOf('homie-ota', devices);
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
const waits = ['offline', 'never_seen', 'busy', 'window', 'canary', 'paused', 'stopped'] as const;

describe('the status below a node with jobs', () => {
  it('tells what one device does', () => {
    assert.deepEqual(jobStatus([device('waiting')]), {
      fill: 'yellow',
      shape: 'ring',
      text: 'homie-ota.status.waiting',
    });
    assert.deepEqual(jobStatus([device('running', { phase: 'sending' })]), {
      fill: 'blue',
      shape: 'dot',
      text: 'homie-ota.status.sending',
    });
    assert.equal(jobStatus([device('running', { phase: 'flashing', progress: 45.9 })]).text, '45 %');
    assert.equal(jobStatus([device('succeeded', { progress: 100 })]).fill, 'green');
    assert.equal(jobStatus([device('skipped', { reason: 'older' })]).text, 'homie-ota.status.older');
    assert.deepEqual(jobStatus([device('skipped', { reason: 'held' })]), {
      fill: 'grey',
      shape: 'ring',
      text: 'homie-ota.status.held',
    });
    assert.equal(jobStatus([device('canceled', { reason: 'superseded' })]).text, 'homie-ota.status.superseded');
    assert.deepEqual(statusOf('homie-config', [device('skipped', { reason: 'no_change' })]), {
      fill: 'green',
      shape: 'ring',
      text: 'homie-config.status.no_change',
    });
    assert.deepEqual(jobStatus([failed('NOT_BACK')]), {
      fill: 'red',
      shape: 'dot',
      text: '@homie-ota/node-red-homie-ota/homie-broker:errors.NOT_BACK.status',
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
    assert.equal(jobStatus([stranger]).text, 'homie-ota.status.never_seen');
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
    assert.deepEqual(statusOf('homie-config', [set]), {
      fill: 'yellow',
      shape: 'dot',
      text: 'homie-config.status.unknown_key',
    });
    assert.deepEqual(statusOf('homie-config', [set, device('succeeded')]), {
      fill: 'yellow',
      shape: 'dot',
      text: '✓2 ⚠1',
    });
    assert.equal(statusOf('homie-config', [set, failed('NOT_BACK')]).text, '✓1 ✗1 ⚠1');
    assert.equal(statusOf('homie-config', [device('rejected', { config: { warnings } })]).fill, 'red');
  });

  it('tells that nothing more is started, once nothing runs', () => {
    const devices = [failed('NOT_BACK'), device('waiting')];
    assert.deepEqual(statusOf('homie-ota', devices, 'stopped'), {
      fill: 'red',
      shape: 'ring',
      text: 'homie-ota.status.stopped',
    });
    assert.deepEqual(statusOf('homie-config', [device('waiting')], 'paused'), {
      fill: 'yellow',
      shape: 'ring',
      text: 'homie-config.status.paused',
    });
    assert.equal(statusOf('homie-ota', [...devices, device('running')], 'stopped').text, '1/3 ✗1');
  });

  for (const { type, locale, phases, reasons, canceled, warned } of [
    {
      type: 'homie-ota',
      locale: ota['homie-ota'],
      phases: ['sending', 'accepted', 'silent', 'rebooting', 'verifying'],
      reasons: ['up_to_date', 'older', 'ota_disabled', 'held', 'excluded', 'withdrawn'],
      canceled: ['superseded'],
      warned: [],
    },
    {
      type: 'homie-config',
      locale: config['homie-config'],
      phases: ['sending', 'received', 'rebooting', 'verifying'],
      reasons: ['no_change', 'excluded'],
      canceled: [],
      warned: [device('succeeded', { config: { warnings: [{ code: 'UNKNOWN_KEY', path: 'a', message: 'a' }] } })],
    },
  ] as const) {
    it(`has a text for everything that ${type} can come to, and none is 20 characters long`, () => {
      const texts = new Map([
        ...Object.entries(locale.status).map(([key, text]) => [`${type}.status.${key}`, text] as const),
        ...Object.keys(errors)
          .filter(isErrorCode)
          .map((code) => [errorStatus(code).text ?? '', errors[code].status] as const),
      ]);
      const shown: Shown[] = [
        ...states.map((state) => device(state)),
        ...phases.map((phase) => device('running', { phase })),
        ...reasons.map((reason) => device('skipped', { reason })),
        ...canceled.map((reason) => device('canceled', { reason })),
        ...warned,
        ...waits.map((reason) => device('waiting', { reason })),
        ...Object.keys(errors).filter(isErrorCode).map(failed),
      ];
      const halted = (['paused', 'stopped'] as const).map((why) => statusOf(type, [device('waiting')], why));
      for (const { text = '' } of [...shown.map((one) => statusOf(type, [one])), ...halted]) {
        const displayed = text.includes('.') ? texts.get(text) : text;
        assert.ok(displayed !== undefined && displayed.length > 0 && displayed.length < 20, `${text}: ${displayed}`);
      }
    });
  }

  it('says the same as the sentences of updates, in few words', () => {
    const { succeeded, ...more } = config['homie-config'].status;
    const said = { ...more, ...ota['homie-ota'].status, changed: succeeded };
    // The progress replaces the word `flashing`.
    const { flashing: _flashing, ...expected } = words;
    assert.deepEqual({ ...said, ...expected }, said);
  });

  it('stays short with many devices', () => {
    const many = Array.from({ length: 200 }, (_, index) => (index < 100 ? failed('NOT_BACK') : device('succeeded')));
    const { text = '' } = jobStatus([...many, device('running', { phase: 'flashing', progress: 95 })]);
    assert.equal(text, '200/201 ✗100 95 %');
    assert.ok(text.length < 20);
  });
});
