import { drawFault, moment } from './draw-blows';
import { STEPWISE } from './messages';
import type { Random } from '../support/random';
import type { Blow, DevicePlan, Fault, Plan } from './plan';
import { failing, first, type Theme } from './theme-parts';

/** Our side goes, or only its connection, while canaries are observed; devices fail before and after. */
export const observed: Theme = (dice, plan) => {
  const devices = steady(plan, 3 + dice.int(4)).map((device) =>
    dice.int(5) === 0 ? { ...device, mishap: failing(dice, plan) } : device,
  );
  const isShort = dice.int(2) === 0;
  return {
    ...plan,
    nodes: 1,
    // A canary may be away for 180 s.
    haste: 100,
    devices,
    errands: first(plan, {
      what: dice.int(4) === 0 ? 'set' : 'update',
      version: 1,
      devices: 'pattern',
      exclude: [],
      attempts: 1,
      canary: 1 + dice.int(2),
      soak: isShort ? 0.3 + dice.int(5) / 10 : 1 + dice.int(2),
      maxFailures: dice.int(4) === 0 ? 2 : 1,
      concurrency: 1 + dice.int(3),
    }).map(({ at: _at, origin: _origin, ...errand }) => errand),
    blows: Array.from({ length: 1 + dice.int(3) }, (_none, index) => ({
      at:
        index === 0
          ? { event: 'our observing', nth: 1 }
          : moment(dice, ['our observing', 'settled', 'result', 'our sending'], 3),
      fault: dice.pick<Fault>([
        { what: 'killed' },
        { what: 'killed' },
        { what: dice.pick(['restarted', 'redeployed'] as const) },
        { what: 'outage', milliseconds: 100 + dice.int(1000) },
        { what: 'outage', milliseconds: 2000 + dice.int(2000) },
      ]),
    })),
  };
};

/** A change in several steps is held up between them, by a person or by failures, and goes on or is canceled. */
export const stepwise: Theme = (dice, plan) => {
  const devices = steady(plan, 2 + dice.int(3)).map((device): DevicePlan =>
    dice.int(3) === 0 ? { ...device, mishap: { what: 'deaf' } } : device,
  );
  const within = ['our sending', 'our received', 'our rebooting', 'our verifying'] as const;
  return {
    ...plan,
    nodes: 1,
    devices,
    errands: first(plan, {
      what: 'set',
      version: STEPWISE,
      devices: 'pattern',
      exclude: [],
      canary: 0,
      maxFailures: dice.int(3),
      concurrency: 1 + dice.int(3),
    }).map(({ at: _at, origin: _origin, ...errand }) => errand),
    blows: [
      ...(dice.int(2) === 0 ? pausedBetween(dice) : []),
      ...Array.from({ length: dice.int(3) }, () => ({
        at: moment(dice, within, 4),
        fault: drawFault(dice, 'paused', 0, devices.length),
      })),
      ...Array.from({ length: 1 + dice.int(2) }, () => ({
        at: moment(dice, [...within, 'our waiting', 'our waiting', 'our stopped'], 3),
        fault: drawFault(dice, dice.pick(betweenSteps), dice.int(devices.length), devices.length),
      })),
    ],
  };
};

/** A pause that begins during the first step and lasts until a person cancels or resumes. */
function pausedBetween(dice: Random): Blow[] {
  return [
    { at: { event: 'our rebooting', nth: 1 }, fault: { what: 'paused', until: { event: 'our stopped', nth: 9 } } },
    { at: { event: 'our waiting', nth: 1 }, fault: { what: dice.pick(['canceled', 'canceled', 'resumed'] as const) } },
  ];
}

const betweenSteps = ['canceled', 'canceled', 'canceled one', 'resumed', 'retried', 'killed', 'redeployed'] as const;

/** Returns devices of one chip that are there all the time. */
function steady(plan: Plan, count: number): DevicePlan[] {
  const [model] = plan.devices;
  if (model === undefined) throw new Error('A plan has a device');
  return Array.from({ length: count }, (_none, index): DevicePlan => {
    const drawn = plan.devices[index % plan.devices.length] ?? model;
    const { mishap: _mishap, absentUntil: _absentUntil, otaDisabled: _otaDisabled, sleep: _sleep, ...device } = drawn;
    const { stale: _stale, noStatistics: _noStatistics, ...simple } = device;
    return { ...simple, implementation: model.implementation, retained: [] };
  });
}
