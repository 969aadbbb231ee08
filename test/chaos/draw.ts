import { random, type Random } from '../support/random';
import type { Blow, DevicePlan, ErrandPlan, Fault, Happening, Moment, Plan } from './plan';

/** One run in so many has a real Node-RED, which takes seconds to start. */
const NODE_RED_EVERY = 25;

/** The plan of a run: the same for the same seed and number. */
export function draw(seed: number, run: number): Plan {
  const dice = random((Math.imul(seed, 1_000_003) + run * 7919) >>> 0);
  // The first numbers of neighbouring seeds are alike.
  for (let turn = 0; turn < 8; turn += 1) dice.int(2);
  const host = run % NODE_RED_EVERY === NODE_RED_EVERY - 1 ? 'node-red' : 'library';
  const count = dice.int(8) === 0 ? 10 + dice.int(21) : 1 + dice.int(8);
  const size = dice.pick([24_000, 40_000, 64_000, 120_000]);
  const devices = Array.from({ length: count }, () => drawDevice(dice, size, count));
  const kinds = host === 'node-red' ? ours : faults;
  const errands = drawErrands(dice, devices);
  return {
    seed,
    run,
    host,
    broker: { persistence: dice.int(2) === 0 },
    protocolVersion: dice.pick([4, 5]),
    size,
    attempts: 1 + dice.int(3),
    devices,
    errands,
    blows: Array.from({ length: host === 'node-red' ? 1 + dice.int(2) : dice.int(5) }, () =>
      drawBlow(dice, kinds, devices, errands),
    ),
  };
}

function drawDevice(dice: Random, size: number, count: number): DevicePlan {
  const isOdd = dice.int(3) === 0;
  return {
    implementation: dice.pick(['esp8266', 'esp8266', 'esp32']),
    core: dice.pick([2, 3]),
    homie: dice.int(8) === 0 ? 2 : 3,
    segment: dice.pick([536, 1460]),
    uptime: dice.pick([0, 3, 3600, 100_000]),
    bootDelay: 1 + dice.int(20),
    flashDelay: dice.pick([0, 0, 0, 2]),
    ...(dice.int(12) === 0 && { noStatistics: true as const }),
    ...(dice.int(8) === 0 && { sleep: { awake: 50 + dice.int(200), asleep: 20 + dice.int(400) } }),
    ...(dice.int(20) === 0 && { otaDisabled: true as const }),
    ...(dice.int(15) === 0 && { absentUntil: moment(dice, ['sent', 'ready', 'statistics', 'result'], 3) }),
    ...(isOdd && { mishap: drawMishap(dice, size, count) }),
    retained: dice.int(4) === 0 ? drawRetained(dice) : [],
  };
}

function drawMishap(dice: Random, size: number, count: number): NonNullable<DevicePlan['mishap']> {
  const what = dice.pick([
    'drop',
    'drop',
    'crash',
    'crash',
    'hang',
    'bad flash',
    'loses',
    'loses',
    'never back',
    'comes back with another',
    'comes back as before',
    'silent reboot',
    'deaf',
    'busy',
  ] as const);
  switch (what) {
    case 'drop':
    case 'crash':
    case 'hang':
    case 'bad flash':
      return { what, at: 1 + dice.int(size), times: 1 + dice.int(2) };
    case 'loses':
      return { what, statuses: dice.pick([['202'], ['206'], ['200'], ['202', '206'], ['202', '206', '200'], ['400']]) };
    case 'busy':
      return { what, until: moment(dice, ['statistics'], 2 * count) };
    default:
      return { what };
  }
}

/** What an earlier life, or somebody who means harm, may have left on the broker. */
const left: readonly (readonly [topic: string, payloads: readonly string[]])[] = [
  ['$implementation/ota/status', ['200', '202', '206 1000/24000', '206 99/1', '400 BAD_CHECKSUM', '304', 'nonsense']],
  ['$state', ['ready', 'lost', 'init', 'sleeping', '__proto__']],
  ['$fw/checksum', ['0'.repeat(32), 'NEXT', '']],
  ['$fw/name', ['other', '<b>']],
  ['$stats/uptime', ['5', '-1', '1e99', '4000000']],
  ['$implementation/config', ['{', '[]', '{"name":"x","device_id":"y"}']],
  ['$implementation/config/set', ['{}', '{"name":"retained"}', 'nonsense']],
  ['$implementation/ota/firmware/x', ['x']],
  ['$implementation/ota/firmware/00000000000000000000000000000000', ['<html>']],
];

function drawRetained(dice: Random): DevicePlan['retained'] {
  const one = (): { topic: string; payload: string } => {
    const [topic, payloads] = left[dice.int(left.length)] ?? ['$state', []];
    return { topic, payload: payloads[dice.int(payloads.length)] ?? '' };
  };
  return Array.from({ length: 1 + dice.int(3) }, one);
}

function drawErrands(dice: Random, devices: readonly DevicePlan[]): ErrandPlan[] {
  return Array.from({ length: 1 + (dice.int(2) === 0 ? dice.int(3) : 0) }, (_none, index): ErrandPlan => {
    const all = devices.map((_device, each) => each);
    const family = devices[dice.int(devices.length)]?.implementation;
    const alike = all.filter((each) => devices[each]?.implementation === family);
    const some = dice.shuffle(alike).slice(0, 1 + dice.int(alike.length));
    return {
      what: dice.int(3) === 0 ? 'set' : 'update',
      ...(index > 0 && { at: moment(dice, ['sent', '202', '200', 'ready', 'result', 'settled', 'patch'], 4) }),
      // Images of the wrong chip are refused before anything is sent.
      devices: dice.int(10) === 0 ? 'all' : dice.int(12) === 0 ? all : dice.int(2) === 0 ? alike : some,
      version: dice.int(4) === 0 ? 2 : 1,
      encoding: dice.int(6) === 0 ? 'base64' : 'binary',
      concurrency: dice.pick([1, 2, 5, 10]),
      canary: dice.pick([0, 0, 1, 2]),
      maxFailures: dice.pick([0, 0, 0, 1, 2]),
      order: dice.pick(['given', 'id']),
    };
  });
}

/** Faults that Node-RED itself has. */
const ours = ['killed', 'killed', 'redeployed'] as const;

const faults = [
  'broker killed',
  'broker killed',
  'broker frozen',
  'cut',
  'cut',
  'truncated',
  'stalled',
  'muted',
  'slow',
  'devices cut',
  'devices stalled',
  'dropped',
  'crashed',
  'asleep',
  'idle',
  'off',
  'other firmware',
  'other patch',
  'clock',
  'redeployed',
  'restarted',
  'killed',
  'paused',
  'canceled',
  'canceled one',
  'retried',
  'retried one',
  'joined',
] as const;

function drawBlow(
  dice: Random,
  kinds: readonly Fault['what'][],
  devices: readonly DevicePlan[],
  errands: readonly ErrandPlan[],
): Blow {
  const events = [
    'sent',
    'image',
    '202',
    '200',
    'init',
    'ready',
    'boot',
    'statistics',
    'result',
    'settled',
    '206',
    'refused',
    'offline',
    ...(errands.some(({ what }) => what === 'set') ? (['patch', 'patched'] as const) : []),
  ] as const;
  const device = dice.int(devices.length);
  const at: Moment =
    dice.int(3) === 0
      ? {
          event: dice.pick(['image', '202', '200', 'init', 'ready', 'boot', 'statistics'] as const),
          device,
          nth: 1 + dice.int(3),
        }
      : moment(dice, events, 1 + devices.length);
  return { at, fault: drawFault(dice, kinds[dice.int(kinds.length)] ?? 'cut', device, devices.length) };
}

function drawFault(dice: Random, what: Fault['what'], device: number, count: number): Fault {
  switch (what) {
    case 'broker killed':
      return { what, until: moment(dice, ['offline'], 2) };
    case 'broker frozen':
    case 'stalled':
    case 'devices stalled':
      return { what, until: { event: 'statistics', nth: 1 + dice.int(2 * count) } };
    case 'slow':
      return {
        what,
        bytesPerSecond: dice.pick([50_000, 200_000, 1_000_000]),
        until: { event: 'statistics', nth: 2 * count },
      };
    case 'truncated':
      return { what, bytes: 1 + dice.int(100_000) };
    case 'off':
      return { what, device, until: moment(dice, ['statistics', 'result', 'ready'], 3) };
    case 'paused':
      return { what, until: moment(dice, ['statistics', 'result'], 3) };
    case 'clock':
      return { what, by: dice.pick([-86_400_000, -3_600_000, -5_000, 5_000, 3_600_000, 400 * 86_400_000]) };
    case 'dropped':
    case 'crashed':
    case 'asleep':
    case 'idle':
    case 'other firmware':
    case 'other patch':
    case 'canceled one':
    case 'retried one':
      return { what, device };
    default:
      return { what };
  }
}

function moment(dice: Random, events: readonly Happening[], most: number): Moment {
  return { event: events[dice.int(events.length)] ?? 'ready', nth: 1 + dice.int(most) };
}
