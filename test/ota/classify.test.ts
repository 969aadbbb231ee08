import assert from 'node:assert/strict';
import type { DeviceEvent } from '../../src/homie/device';
import { classify, type Context, type Sign } from '../../src/ota/classify';

/** An image of 1000 bytes that the broker had completely at 100 ms. The device runs `old`, and has 30 ms to start. */
const base: Context = {
  begun: false,
  owesAnswer: false,
  asleep: false,
  noSubscribers: false,
  acknowledged: true,
  sentAt: 100,
  dueAt: 130,
  blinked: false,
  advertisement: undefined,
  device: { checksum: { value: 'old', live: true, at: 0 } },
  before: 'old',
  expected: new Set(['new']),
  totals: new Set([1000]),
  sendings: undefined,
};
const begun = { begun: true };

function state(value: 'init' | 'ready' | 'lost' | 'sleeping', at = 110, live = true): DeviceEvent {
  return { attribute: 'state', value, live, at };
}

function status(value: string, live = true): DeviceEvent {
  return { attribute: 'otaStatus', value, live, at: 110 };
}

function uptime(at: number, live = true): DeviceEvent {
  return { attribute: 'uptime', value: 60, live, at };
}

/** An advertisement from retained topics, after our own connection was interrupted. */
function retained(checksum: string | undefined, said: { uptime?: boolean; ready?: boolean } = {}): Partial<Context> {
  const { uptime: hasUptime = false, ready = true } = said;
  const advertisement = {
    live: false,
    beganAt: 110,
    ...(checksum !== undefined && { checksum }),
    ...(ready && { readyAt: 111 }),
    ...(hasUptime && { uptime: { value: 1, at: 112 } }),
  };
  return { ...begun, advertisement };
}

const restored: DeviceEvent = { attribute: 'connection', value: 'restored', at: 110 };
const asleep: Partial<Context> = { device: { state: { value: 'sleeping', live: true, at: 110 } } };
const sendings = { from: 1_000, quietFrom: 1_000 };

const rows: [title: string, event: DeviceEvent, given: Partial<Context>, sign: Sign['kind']][] = [
  ['an accepted image', status('202'), {}, 'accepted'],
  ['a number that is not known, which is a sign of life', status('299 WHATEVER'), {}, 'accepted'],
  ['the last status', status('200'), begun, 'flashed'],
  ['a failure', status('400 BAD_CHECKSUM'), begun, 'refused'],
  ['the late rest of an answer', status('500 INTERNAL_ERROR 0'), { owesAnswer: true }, 'answer'],
  ['a stuck updater that owes no answer', status('500 INTERNAL_ERROR 0'), {}, 'refused'],
  ['a failure of an image that has begun', status('500 INTERNAL_ERROR 0'), { ...begun, owesAnswer: true }, 'refused'],
  ['another failure before the rest of an answer', status('400 NOT_ENOUGH_SPACE'), { owesAnswer: true }, 'refused'],
  ['OTA that is disabled', status('403'), {}, 'refused'],
  ['progress of an image of another size', status('206 500/2000'), begun, 'another_updater'],
  ['a text that is no status', status('hello'), {}, 'nothing'],
  ['a status that was retained', status('200', false), begun, 'nothing'],
  ['304 of a device that runs something else: it is for the image of somebody else', status('304'), {}, 'nothing'],
  ['304 of a device whose checksum is not known', status('304'), { device: undefined }, 'refused'],
  ['304 of a device without a checksum', status('304'), { device: {} }, 'refused'],
  ['304 of a device that runs the image', status('304'), { expected: new Set(['old']) }, 'refused'],

  ['a device that is lost when it could have had the image', state('lost'), {}, 'gone'],
  ['a device that is lost just when the broker has all of the image', state('lost', 100), {}, 'gone'],
  ['a device that is lost before the broker had all of the image', state('lost', 99), {}, 'nothing'],
  ['a device that has begun, and is lost before the broker had all of the image', state('lost', 99), begun, 'gone'],
  ['a retained lost', state('lost', 110, false), begun, 'gone'],
  ['a device that connects again', state('init'), begun, 'gone'],
  ['a retained init', state('init', 110, false), begun, 'nothing'],
  ['a device that becomes ready', state('ready'), begun, 'nothing'],
  ['a device that was away already', state('lost'), { noSubscribers: true }, 'missed'],
  [
    'a device that was away already and connects before the acknowledgement',
    state('init', 99),
    { noSubscribers: true },
    'missed',
  ],
  ['a device that leaves in the middle', state('lost'), { ...begun, noSubscribers: true }, 'gone'],
  ['a device that is about to sleep', state('sleeping'), asleep, 'asleep'],
  ['a device that said so, and leaves without having begun', state('lost'), { asleep: true }, 'missed'],
  ['a device that said so, and was given the image all the same', status('202'), { asleep: true }, 'accepted'],
  ['a device that fell asleep and is awake again', state('sleeping', 99), asleep, 'nothing'],
  [
    'a device that fell asleep, and an image that was not acknowledged',
    state('sleeping'),
    { ...asleep, acknowledged: false },
    'gone',
  ],
  ['a retained report of sleep', state('sleeping', 110, false), asleep, 'gone'],
  [
    'a device that is lost, not asleep',
    state('lost'),
    { device: { state: { value: 'lost', live: true, at: 110 } } },
    'gone',
  ],
  ['a report of sleep from a device of which nothing is known', state('sleeping'), { device: undefined }, 'gone'],
  ['a report of sleep from a device whose state is not known', state('sleeping'), { device: {} }, 'gone'],
  ['a device that reports sleep in the middle', state('sleeping'), { ...asleep, ...begun }, 'gone'],

  ['statistics before the device must have begun', uptime(129), {}, 'nothing'],
  ['statistics when the device must have begun', uptime(130), {}, 'not_begun'],
  ['statistics in the middle', uptime(110), begun, 'works_again'],
  ['statistics that were retained', uptime(130, false), begun, 'nothing'],

  ['our own connection', restored, begun, 'connection'],
  ['a device that came back unseen with another firmware', restored, retained('new'), 'gone'],
  ['a device that came back unseen with the same firmware', restored, retained('old'), 'connection'],
  [
    'a device that came back unseen with the same firmware, and its uptime',
    restored,
    retained('old', { uptime: true }),
    'gone',
  ],
  ['a device that came back unseen without a checksum', restored, retained(undefined, { uptime: true }), 'connection'],
  ['another firmware of a device that is not ready', restored, retained('new', { ready: false }), 'connection'],
  [
    'a topic that says nothing of a transfer',
    { attribute: 'name', value: 'Light', live: true, at: 110 },
    begun,
    'nothing',
  ],
];

describe('what an event says of a transfer', () => {
  for (const [title, event, given, kind] of rows) {
    it(`${kind}: ${title}`, () => assert.equal(classify(event, { ...base, ...given }).kind, kind));
  }

  it('progress: the bytes that the device has written', () => {
    assert.deepEqual(classify(status('206 500/1000'), base), { kind: 'progress', written: 500 });
  });

  it('gone: whether the MQTT client of the device ended the connection is said only where our own stood', () => {
    const seen = { ...base, ...begun, sendings };
    assert.deepEqual(classify(state('init', 41_000), seen), { kind: 'gone', tooSlow: 40 });
    assert.deepEqual(classify(state('init', 41_000), { ...seen, blinked: true }), { kind: 'gone', tooSlow: undefined });
    assert.deepEqual(classify(state('lost', 41_000), seen), { kind: 'gone', tooSlow: undefined });
  });
});
