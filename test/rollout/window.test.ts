import assert from 'node:assert/strict';
import fc from 'fast-check';
import { systemClock } from '../../src/rollout/clock';
import { readRolloutSettings, rolloutDefaults } from '../../src/rollout/settings';
import { Opening } from '../../src/rollout/window';
import { readWindow as read, type Window } from '../../src/settings/times';
import { inTimeZone } from '../support/time-zone';

function readWindow(text: string): Window {
  return read(text) ?? assert.fail(`${text} is no window`);
}

const MINUTE = 60_000;
const at = (text: string): Date => new Date(text);

/** Returns the opening of a window as the wall clock shows it. */
function openingAt(window: Window, date: Date): Opening {
  return new Opening(window, { ...systemClock, date: () => date });
}

/** Returns the start and end of each opening of a window, in UTC. */
function openings(window: string, from: string, to: string): string[] {
  const spans = readWindow(window);
  const found: string[] = [];
  let open = false;
  for (let time = at(from).getTime(); time <= at(to).getTime(); time += MINUTE) {
    if (openingAt(spans, new Date(time)).isOpen === open) continue;
    open = !open;
    found.push(new Date(time).toISOString().slice(5, 16));
  }
  return found;
}

describe('a maintenance window', () => {
  it('is read as local times of the day, one or several', () => {
    assert.deepEqual(readWindow('01:00-05:00'), [{ from: 60, to: 300 }]);
    assert.deepEqual(readWindow(' 1:00 - 5:30, 22:00-24:00'), [
      { from: 60, to: 330 },
      { from: 1320, to: 1440 },
    ]);
  });

  for (const text of [
    '',
    '1-5',
    '01:00',
    '01:00-01:00',
    '25:00-03:00',
    '01:60-03:00',
    '24:00-03:00',
    'night',
    7,
    null,
  ]) {
    it(`is refused when it is ${JSON.stringify(text)}`, () => {
      assert.equal(read(text), undefined);
      if (text === '' || text === null) return;
      const values = { window: text };
      assert.throws(() => readRolloutSettings(rolloutDefaults, values), {
        code: 'INVALID_SETTING',
        message: /^window must be/,
      });
    });
  }

  describe('in Berlin', () => {
    inTimeZone('Europe/Berlin');

    it('opens and closes by the clock on the wall', () => {
      assert.deepEqual(openings('01:00-05:00', '2026-01-10T12:00Z', '2026-01-12T12:00Z'), [
        '01-11T00:00',
        '01-11T04:00',
        '01-12T00:00',
        '01-12T04:00',
      ]);
    });

    it('lasts across midnight', () => {
      assert.deepEqual(openings('22:30-01:15', '2026-07-10T12:00Z', '2026-07-11T12:00Z'), [
        '07-10T20:30',
        '07-10T23:15',
      ]);
    });

    it('is an hour shorter in the night in which the clock is set forward', () => {
      assert.deepEqual(openings('01:00-05:00', '2026-03-28T12:00Z', '2026-03-29T12:00Z'), [
        '03-29T00:00',
        '03-29T03:00',
      ]);
    });

    it('is an hour longer in the night in which the clock is set back', () => {
      assert.deepEqual(openings('01:00-05:00', '2026-10-24T12:00Z', '2026-10-25T12:00Z'), [
        '10-24T23:00',
        '10-25T04:00',
      ]);
    });

    it('opens with the hour after the one that is left out', () => {
      const [window, noon] = [readWindow('02:30-03:30'), at('2026-03-28T12:00Z')];
      assert.deepEqual(openingAt(window, noon).next, at('2026-03-29T01:00Z'));
    });

    it('does not open where it lies in the hour that is left out, but on the next day', () => {
      const [window, noon] = [readWindow('02:15-02:45'), at('2026-03-28T12:00Z')];
      assert.deepEqual(openingAt(window, noon).next, at('2026-03-30T00:15Z'));
    });

    it('opens twice where it lies in the hour that comes twice', () => {
      assert.deepEqual(openings('02:15-02:45', '2026-10-24T12:00Z', '2026-10-25T12:00Z'), [
        '10-25T00:15',
        '10-25T00:45',
        '10-25T01:15',
        '10-25T01:45',
      ]);
    });
  });

  for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Casablanca', 'UTC']) {
    describe(`in ${zone}`, () => {
      inTimeZone(zone);

      it('is open at its next opening, and at no time before', () => {
        const minute = fc.integer({ min: 0, max: 1439 });
        const year = fc.date({ min: at('2026-01-01T00:00Z'), max: at('2027-01-01T00:00Z'), noInvalidDate: true });
        fc.assert(
          fc.property(minute, minute, year, (from, to, date) => {
            fc.pre(from !== to);
            const window = [{ from, to }];
            const opening = openingAt(window, date).next;
            assert.ok(openingAt(window, opening).isOpen);
            assert.ok(opening >= date);
            for (let time = date.getTime(); time < opening.getTime(); time += MINUTE) {
              assert.ok(!openingAt(window, new Date(time)).isOpen, `open at ${new Date(time).toISOString()}`);
            }
          }),
          { numRuns: 200 },
        );
      });
    });
  }
});
