import assert from 'node:assert/strict';
import { HomieBroker } from '../../src/homie/broker';
import { DeviceObserver } from '../../src/homie/device-observer';
import { identify, judge, judgeReturn, notRebooted, type Return } from '../../src/ota/verdict';

describe('identify', () => {
  it('knows the image, the firmware before, and anything else', () => {
    const expected = new Set(['new', 'new with another flash mode']);
    assert.equal(identify('new', expected, 'old'), 'new');
    assert.equal(identify('new with another flash mode', expected, 'old'), 'new');
    assert.equal(identify('old', expected, 'old'), 'old');
    assert.equal(identify('third', expected, 'old'), 'other');
  });

  it('takes the image for the image when it is what ran before, too', () => {
    assert.equal(identify('same', new Set(['same']), 'same'), 'new');
  });
});

describe('judge', () => {
  const base: Return = { firmware: 'new', changed: true, reboot: 'shown', live: true, flashed: true, statistics: true };
  const rows: [title: string, seen: Partial<Return>, expected: ReturnType<typeof judge>][] = [
    ['the image after a reboot', {}, { kind: 'succeeded', reboot: 'proven' }],
    ['the image, without statistics', { reboot: 'unknown' }, { kind: 'succeeded', reboot: 'unproven' }],
    ['the image after a lost 200', { flashed: false }, { kind: 'succeeded', reboot: 'proven' }],
    ['the same image again after a reboot', { changed: false }, { kind: 'succeeded', reboot: 'proven' }],
    ['the same image again after a reboot without a 200', { changed: false, flashed: false }, { kind: 'rebooted' }],
    [
      'the same image again, of a device that had just booted',
      { changed: false, reboot: 'open' },
      { kind: 'reconnected' },
    ],
    ['the same image again after a reconnect', { changed: false, reboot: 'refuted' }, { kind: 'reconnected' }],
    [
      'the same image again, of a device without statistics',
      { changed: false, reboot: 'unknown', statistics: false },
      { kind: 'failed', code: 'REBOOT_UNPROVEN', reboot: 'unproven' },
    ],
    [
      'the same image again, with statistics that are late',
      { changed: false, reboot: 'unknown' },
      { kind: 'reconnected' },
    ],
    [
      'the same image again, not flashed, with statistics that are late',
      { changed: false, reboot: 'unknown', flashed: false },
      { kind: 'half_dead' },
    ],
    ['a third firmware', { firmware: 'other' }, { kind: 'failed', code: 'OTHER_FIRMWARE', reboot: 'proven' }],
    [
      'the old firmware after a reboot',
      { firmware: 'old' },
      { kind: 'failed', code: 'OLD_FIRMWARE', reboot: 'proven' },
    ],
    [
      'the old firmware, flashed, of a device that had just booted',
      { firmware: 'old', reboot: 'open' },
      { kind: 'reconnected' },
    ],
    [
      'another checksum, retained, of a device that had just booted',
      { reboot: 'open', live: false },
      { kind: 'succeeded', reboot: 'unproven' },
    ],
    ['the old firmware, flashed, without statistics', { firmware: 'old', reboot: 'unknown' }, { kind: 'reconnected' }],
    [
      'the same image again, retained, before the reboot',
      { changed: false, reboot: 'refuted', live: false },
      { kind: 'reconnected' },
    ],
    [
      'another checksum, retained, of a device that has not rebooted',
      { reboot: 'refuted', live: false },
      { kind: 'failed', code: 'UNCONFIRMED', reboot: 'unproven' },
    ],
    ['the old firmware after a reconnect', { firmware: 'old', reboot: 'refuted' }, { kind: 'reconnected' }],
    ['the old firmware after a crash in the middle', { firmware: 'old', flashed: false }, { kind: 'rebooted' }],
    [
      'the old firmware, not flashed, without statistics',
      { firmware: 'old', flashed: false, reboot: 'unknown' },
      { kind: 'half_dead' },
    ],
    [
      'the old firmware, not flashed, after a reconnect',
      { firmware: 'old', flashed: false, reboot: 'refuted' },
      { kind: 'reconnected' },
    ],
    [
      'the old firmware, flashed, retained and without statistics',
      { firmware: 'old', live: false, reboot: 'unknown' },
      { kind: 'reconnected' },
    ],
    ['the image, retained and confirmed by an uptime', { live: false }, { kind: 'succeeded', reboot: 'proven' }],
    [
      'the image, retained and not confirmed',
      { live: false, reboot: 'unknown' },
      { kind: 'failed', code: 'UNCONFIRMED', reboot: 'unproven' },
    ],
  ];
  for (const [title, seen, expected] of rows) {
    it(`judges ${title}`, () => assert.deepEqual(judge({ ...base, ...seen }), expected));
  }
});

describe('judgeReturn', () => {
  it('judges by the checksum, what ran before, and the uptime', async () => {
    const broker = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 5, baseTopic: 'homie/' });
    const watch = broker.watch('lamp');
    const observer = new DeviceObserver({ broker, watch, signal: new AbortController().signal });
    const reports = [
      ['$state', 'ready'],
      ['$stats/uptime', '3600'],
      ['$state', 'init'],
      ['$state', 'ready'],
      ['$stats/uptime', '2'],
    ];
    for (const [attribute, value = ''] of reports) {
      broker.registry.receive(`homie/lamp/${attribute}`, Buffer.from(value), false);
      while ((await observer.next(0)) !== undefined);
      if (value === '3600') observer.received();
    }
    watch.close();
    const { advertisement } = observer;
    assert.ok(advertisement);

    const judged = (checksum: string, before: string, flashed = true) =>
      judgeReturn(checksum, advertisement, observer, {
        expected: new Set(['new']),
        before,
        flashed,
        statistics: true,
      });
    assert.deepEqual(judged('new', 'old'), { kind: 'succeeded', reboot: 'proven' });
    assert.deepEqual(judged('new', 'old', false), { kind: 'succeeded', reboot: 'proven' });
    assert.deepEqual(judged('new', 'new', false), { kind: 'rebooted' });
    assert.deepEqual(judged('old', 'old'), { kind: 'failed', code: 'OLD_FIRMWARE', reboot: 'proven' });
    assert.deepEqual(judged('third', 'old'), { kind: 'failed', code: 'OTHER_FIRMWARE', reboot: 'proven' });
  });
});

describe('notRebooted', () => {
  it('says whether another image may have replaced the flashed one', () => {
    assert.deepEqual([notRebooted(false).key, notRebooted(true).key], ['NOT_REBOOTED', 'NOT_REBOOTED.anotherImage']);
  });
});
