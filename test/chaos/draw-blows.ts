import type { Random } from '../support/random';
import {
  ourPhases,
  type Blow,
  type DevicePlan,
  type ErrandPlan,
  type Fault,
  type Happening,
  type Moment,
} from './plan';

/** Faults of a run with a real Node-RED. */
export const ours = ['killed', 'killed', 'restarted', 'redeployed', 'second process', 'excluded', 'included'] as const;

export const faults = [
  'broker killed',
  'broker killed',
  'broker blinked',
  'broker blinked',
  'broker frozen',
  'cut',
  'cut',
  'truncated',
  'stalled',
  'muted',
  'outage',
  'slow',
  'devices cut',
  'devices stalled',
  'dropped',
  'crashed',
  'asleep',
  'idle',
  'off',
  'replaced',
  'other firmware',
  'other patch',
  'clock',
  'redeployed',
  'restarted',
  'killed',
  'paused',
  'canceled',
  'canceled one',
  'resumed',
  'retried',
  'retried one',
  'joined',
  'excluded',
  'included',
] as const;

export function drawBlow(
  dice: Random,
  kinds: readonly Fault['what'][],
  devices: readonly DevicePlan[],
  errands: readonly ErrandPlan[],
): Blow {
  // A real Node-RED does not report the phases of its jobs here.
  const phases = kinds === ours ? [] : ourPhases;
  const events = [
    ...phases,
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
    'our observing',
    '206',
    'refused',
    'offline',
    ...(errands.some(({ what }) => what === 'set') ? (['patch', 'patched'] as const) : []),
  ] as const;
  const device = dice.int(devices.length);
  const at: Moment =
    dice.int(3) === 0
      ? {
          event: dice.pick(['image', '202', '200', 'init', 'ready', 'boot', 'statistics', ...phases]),
          device,
          nth: 1 + dice.int(3),
        }
      : moment(dice, events, 1 + devices.length);
  return { at, fault: drawFault(dice, kinds[dice.int(kinds.length)] ?? 'cut', device, devices.length) };
}

export function drawFault(dice: Random, what: Fault['what'], device: number, count: number): Fault {
  switch (what) {
    case 'broker killed':
      return { what, until: moment(dice, ['offline'], 2) };
    case 'broker blinked':
      return { what, milliseconds: 50 + dice.int(251) };
    case 'outage':
      return { what, milliseconds: 100 + dice.int(1400) };
    case 'late':
      return { what, milliseconds: 5000 + dice.int(4000) };
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
    case 'second process':
      return { what, until: moment(dice, ['result', 'statistics'], 2 * count) };
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
    case 'replaced':
    case 'other firmware':
    case 'other patch':
    case 'canceled one':
    case 'retried one':
    case 'excluded':
    case 'included':
      return { what, device };
    default:
      return { what };
  }
}

export function moment(dice: Random, events: readonly Happening[], most: number): Moment {
  return { event: events[dice.int(events.length)] ?? 'ready', nth: 1 + dice.int(most) };
}
