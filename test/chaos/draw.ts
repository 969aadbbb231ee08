import { random, type Random } from '../support/random';
import { drawBlow, faults, moment, ours } from './draw-blows';
import { drawErrands } from './draw-errands';
import type { DevicePlan, ErrandPlan, Plan } from './plan';
import { MIXED } from './images';
import { withTheme } from './themes';

/** Number of runs for each one with a real Node-RED, which takes seconds to start. */
const NODE_RED_EVERY = 25;

/** Draws the plan of a run. It is the same for the same seed and number. */
export function draw(seed: number, run: number): Plan {
  const dice = random((Math.imul(seed, 1_000_003) + run * 7919) >>> 0);
  // The first numbers of neighboring seeds are similar.
  for (let turn = 0; turn < 8; turn += 1) dice.int(2);
  const host = run % NODE_RED_EVERY === NODE_RED_EVERY - 1 ? 'node-red' : 'library';
  const count = dice.int(8) === 0 ? 10 + dice.int(21) : 1 + dice.int(8);
  const convention = dice.int(8) === 0 ? 5 : 3;
  // Images that say which firmware they hold are of convention 3.
  const size = dice.pick([24_000, 40_000, convention === 5 ? 40_000 : MIXED, 64_000, 120_000]);
  const devices = Array.from({ length: count }, () => asOf(convention, drawDevice(dice, size, count)));
  const kinds = host === 'node-red' ? ours : faults;
  const nodes = host === 'library' && dice.int(5) === 0 ? 2 : 1;
  const drawn = drawErrands(dice, devices, nodes);
  const errands = host === 'node-red' ? drawn.map((errand) => bySidebar(dice, errand)) : drawn;
  const plan: Plan = {
    seed,
    run,
    host,
    broker: { persistence: dice.int(2) === 0 },
    protocolVersion: dice.pick([4, 5]),
    convention,
    haste: 1,
    nodes,
    reconnect: dice.pick([
      { min: 20, max: 200 },
      { min: 20, max: 200 },
      { min: 400, max: 1200 },
    ]),
    size,
    devices,
    errands,
    blows: Array.from({ length: host === 'node-red' ? 1 + dice.int(2) : dice.int(5) }, () =>
      drawBlow(dice, kinds, devices, errands),
    ),
  };
  return host === 'library' && dice.int(3) === 0 ? withTheme(dice, plan) : plan;
}

/** Replaces some messages by what a person does in the sidebar. */
function bySidebar(dice: Random, errand: ErrandPlan): ErrandPlan {
  const isPossible = errand.what === 'update' && typeof errand.devices !== 'string' && !errand.allowIncompatible;
  return isPossible && dice.int(3) === 0 ? { ...errand, exclude: [], bySidebar: true } : errand;
}

function drawDevice(dice: Random, size: number, count: number): DevicePlan {
  const isOdd = dice.int(3) === 0;
  const homie = dice.int(8) === 0 ? 2 : 3;
  return {
    implementation: dice.pick(['esp8266', 'esp8266', 'esp32']),
    core: dice.pick([2, 3]),
    homie,
    dialect: homie === 2 ? '3' : dice.pick(['3', '3', '3.7', '4']),
    statusGrace: dice.pick([0, 50, 1000]),
    segment: dice.pick([536, 1460]),
    uptime: dice.pick([0, 3, 3600, 100_000]),
    bootDelay: 1 + dice.int(20),
    flashDelay: dice.pick([0, 0, 0, 2]),
    ...(dice.int(12) === 0 && { noStatistics: true as const }),
    ...(dice.int(10) === 0 && {
      statistics: dice.int(2) === 0 ? { delay: 100 + dice.int(1500) } : ('first lost' as const),
    }),
    ...(dice.int(25) === 0 && { unknownMac: true as const }),
    ...(dice.int(12) === 0 && {
      stale: { secret: 1 + dice.int(32), bytes: dice.pick([300, 700, 900, 940, 970, 999]) },
    }),
    ...(dice.int(8) === 0 && { sleep: { awake: 50 + dice.int(200), asleep: 20 + dice.int(400) } }),
    ...(dice.int(20) === 0 && { otaDisabled: true as const }),
    ...(dice.int(15) === 0 && { absentUntil: moment(dice, ['sent', 'ready', 'statistics', 'result'], 3) }),
    ...(isOdd && { mishap: drawMishap(dice, size, count) }),
    retained: dice.int(4) === 0 ? drawRetained(dice) : [],
  };
}

/** Returns a device as it is with a convention: only the fork has convention 5. */
function asOf(convention: Plan['convention'], device: DevicePlan): DevicePlan {
  if (convention === 3) return device;
  return { ...device, homie: 3, dialect: device.dialect === '3.7' ? '3.7' : '4' };
}

function drawMishap(dice: Random, size: number, count: number): NonNullable<DevicePlan['mishap']> {
  const what = dice.pick([
    'drop',
    'drop',
    'crash',
    'crash',
    'hang',
    'stall',
    'bad flash',
    'loses',
    'loses',
    'never back',
    'comes back with another',
    'comes back as before',
    'silent reboot',
    'deaf',
    'busy',
    'busy',
    'never idle',
    '200 lost',
    '200 lost, never idle',
    'slow',
    'silent',
  ] as const);
  switch (what) {
    case 'drop':
    case 'crash':
    case 'hang':
    case 'stall':
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

/** Retained messages that the device's past, or a malicious client, may have left on the broker. */
const left: readonly (readonly [topic: string, payloads: readonly string[]])[] = [
  ['$implementation/ota/status', ['200', '202', '206 1000/24000', '206 99/1', '400 BAD_CHECKSUM', '304', 'nonsense']],
  [
    '$implementation/ota/status',
    ['500 DISCONNECTED', '408 TIMEOUT', '503 REBOOT_PENDING', '400 BAD_CHECKSUM 7 VALIDATE'],
  ],
  ['$implementation/version', ['3.0.0', '3.7.1', '4.0.0', 'x', '']],
  ['$description', ['{', '[]', '{"name":1,"extensions":[{"toString":1}]}']],
  ['$state', ['ready', 'lost', 'init', 'sleeping', '__proto__']],
  ['$fw/checksum', ['0'.repeat(32), 'NEXT', '']],
  ['$fw/name', ['other', '<b>']],
  ['$stats/uptime', ['5', '-1', '1e99', '4000000']],
  ['$implementation/config', ['{', '[]', '{"name":"x","device_id":"y"}']],
  ['$implementation/config/set', ['{}', '{"name":"retained"}', 'nonsense']],
  ['$implementation/ota/firmware/x', ['x']],
  // The previous image, which flashes the device back after each update.
  ['$implementation/ota/firmware/PREVIOUS', ['PREVIOUS']],
  ['$implementation/ota/firmware/00000000000000000000000000000000', ['<html>']],
];

function drawRetained(dice: Random): DevicePlan['retained'] {
  const one = (): { topic: string; payload: string } => {
    const [topic, payloads] = left[dice.int(left.length)] ?? ['$state', []];
    return { topic, payload: payloads[dice.int(payloads.length)] ?? '' };
  };
  return Array.from({ length: 1 + dice.int(3) }, one);
}
