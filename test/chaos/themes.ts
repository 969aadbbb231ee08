import type { Random } from '../support/random';
import { drawFault, moment } from './draw-blows';
import { drawErrands } from './draw-errands';
import { REFUSED } from './messages';
import { ourPhases, type Blow, type DevicePlan, type ErrandPlan, type Fault, type Moment, type Plan } from './plan';
import { failing, first, type Theme } from './theme-parts';
import { observed, stepwise } from './themes-rollout';

/** A command or a deploy arrives while an image waits behind another one on a slow connection. */
const queued: Theme = (dice, plan) => ({
  ...plan,
  errands: first(plan, { what: 'update', version: 1, concurrency: 5, canary: 0, encoding: 'binary' }),
  blows: [
    { at: { event: 'settled', nth: 1 }, fault: slow(dice, plan) },
    {
      at: { event: 'our sending', nth: 1 + dice.int(4) },
      fault: drawFault(dice, dice.pick(interruptions), 0, plan.devices.length),
    },
  ],
});

/** Devices flash an image and do not boot it while our side restarts. */
const neverIdle: Theme = (dice, plan) => ({
  ...plan,
  devices: odd(dice, plan, () => ({ what: dice.pick(['never idle', '200 lost, never idle'] as const) })),
  errands: [
    ...first(plan, { what: 'update', version: 1 }),
    { ...again(dice, plan), version: 2, at: { event: 'our rebooting', nth: 1 } },
  ],
  blows: comingAndGoing(dice),
});

/** Two broker nodes use two host names of the same broker. */
const twoNames: Theme = (dice, plan) => ({
  ...plan,
  nodes: 2,
  errands: [
    ...first(plan, { via: 0, concurrency: 5 }),
    { ...again(dice, plan), via: 1, version: 2 },
    { ...again(dice, plan), via: 1, what: 'set', version: 1, at: moment(dice, ['our sending', '202', '200'], 2) },
  ],
});

/** Several messages bring the same image with different settings. */
const oneImage: Theme = (dice, plan) => ({
  ...plan,
  errands: [
    ...first(plan, { what: 'update', version: 1, concurrency: 1 }),
    ...Array.from({ length: 1 + dice.int(3) }, () => ({
      ...again(dice, plan),
      at: moment(dice, ['our sending', 'our queued', '202', 'result'], 3),
    })),
  ],
});

/** A patch has a value that the sketch refuses; a later one corrects it. */
const typo: Theme = (dice, plan) => ({
  ...plan,
  errands: [
    ...first(plan, { what: 'set', version: REFUSED }),
    { ...again(dice, plan), what: 'set', version: REFUSED + 1, at: moment(dice, ['result', 'patched'], 2) },
  ],
  blows: dice.int(2) === 0 ? comingAndGoing(dice) : [],
});

/** The broker restarts in the middle of a transfer. */
const blink: Theme = (dice, plan) => ({
  ...plan,
  reconnect: { min: 400, max: 1200 },
  errands: first(plan, { what: 'update', version: 1 }),
  blows: [
    {
      at: moment(dice, ['image', '202', '206', 'our sending', 'our flashing'], 3),
      fault: drawFault(dice, 'broker blinked', 0, plan.devices.length),
    },
  ],
});

/** The status that the device has flashed the image gets lost. */
const lostSuccess: Theme = (dice, plan) => ({
  ...plan,
  devices: odd(dice, plan, () => ({ what: dice.pick(['200 lost', '200 lost, never idle'] as const) })).map(
    (device) => ({ ...device, statistics: { delay: 100 + dice.int(1500) } }),
  ),
  errands: [...first(plan, { what: 'update', version: 1 }), { ...again(dice, plan), at: moment(dice, ['result'], 2) }],
  blows: dice.int(2) === 0 ? comingAndGoing(dice) : [],
});

/** The previous image is retained on the broker, and flashes the device back. */
const flashedBack: Theme = (dice, plan) => ({
  ...plan,
  devices: plan.devices.map((device) =>
    dice.int(2) === 0 ? { ...device, retained: [{ topic: PREVIOUS, payload: 'PREVIOUS' }] } : device,
  ),
  errands: first(plan, { what: 'update', version: 1 }),
});

/** Failures stop an image; further messages bring it again, bring it to named devices, or bring another one. */
const stopped: Theme = (dice, plan) => {
  const [model] = plan.devices;
  if (model === undefined) throw new Error('A plan has a device');
  const { implementation } = model;
  const devices = Array.from({ length: 3 + dice.int(6) }, (_none, index): DevicePlan => {
    const drawn = plan.devices[index % plan.devices.length] ?? model;
    const { mishap: _mishap, absentUntil: _absentUntil, otaDisabled: _otaDisabled, sleep: _sleep, ...device } = drawn;
    const fails = index === 0 || dice.int(3) === 0;
    return { ...device, implementation, ...(fails && { mishap: failing(dice, plan) }) };
  });
  const enlarged = { ...plan, devices };
  const to = (): Partial<ErrandPlan> => ({ devices: dice.pick(['all', 'pattern'] as const), exclude: [] });
  const after = (): Moment => ({ event: 'our stopped', nth: 1 });
  const next = (): ErrandPlan => ({ ...again(dice, enlarged), ...to(), at: after(), maxFailures: dice.int(3) });
  const another = (): ErrandPlan => {
    const some = dice.shuffle(devices.map((_device, index) => index)).slice(0, 1 + dice.int(2));
    return { ...next(), ...dice.pick<Partial<ErrandPlan>>([{}, { devices: some }, { version: 2 }]) };
  };
  return {
    ...enlarged,
    nodes: 1,
    errands: [
      ...first(plan, {
        what: 'update',
        version: 1,
        ...to(),
        maxFailures: 1,
        concurrency: 1 + dice.int(2),
        order: 'id',
      }),
      ...(dice.int(4) === 0 ? [{ ...again(dice, enlarged), ...to(), maxFailures: 0 }] : []),
      next(),
      ...Array.from({ length: dice.int(3) }, another),
    ],
    blows: Array.from({ length: dice.int(3) }, () => ({
      at: dice.int(2) === 0 ? after() : moment(dice, ['result', 'our sending', 'ready'], 6),
      fault: drawFault(dice, dice.pick(afterStop), dice.int(devices.length), devices.length),
    })),
  };
};

/** Devices get what is on offer, get a newer image, go back, and are updated again, while our side comes and goes. */
const thereAndBack: Theme = (dice, plan) => {
  const to = dice.pick<Partial<ErrandPlan>>([{}, { devices: 'pattern', exclude: [] }, { devices: 'all', exclude: [] }]);
  const each = (changes: Partial<ErrandPlan>): ErrandPlan => ({
    ...again(dice, plan),
    ...to,
    maxFailures: 0,
    ...changes,
  });
  // A message has results for the devices of one chip.
  const after = (nth: number): Moment => ({ event: 'result', nth: nth * Math.ceil(plan.devices.length / 2) });
  const back: Partial<ErrandPlan> = {
    origin: 'previous',
    ...(to.devices === 'all' && { devices: 'pattern' as const }),
  };
  return {
    ...plan,
    errands: [
      ...first(plan, { what: 'update', version: 1, ...to, canary: 0, maxFailures: 0 }),
      each({ version: 2, origin: 'offer', at: after(1) }),
      each({ ...back, at: after(2) }),
      each({ version: 2, origin: 'offer', at: after(3) }),
      ...(dice.int(2) === 0 ? [each({ ...back, at: moment(dice, ['result', 'our sending', '200'], 4) })] : []),
    ],
    blows: dice.int(3) === 0 ? [] : [...comingAndGoing(dice), ...plan.blows.slice(0, 1)],
  };
};

/** Devices are excluded from updates, and included again, while updates for all of them come and our side goes. */
const excluded: Theme = (dice, plan) => {
  const to = (): Partial<ErrandPlan> => ({ devices: dice.pick(['all', 'pattern'] as const), exclude: [] });
  const count = plan.devices.length;
  const blow = (at: Moment): Blow => ({
    at,
    fault: drawFault(dice, dice.pick(['excluded', 'excluded', 'included'] as const), dice.int(count), count),
  });
  return {
    ...plan,
    errands: [
      ...first(plan, { what: 'update', version: 1, ...to(), maxFailures: 0, concurrency: 1 + dice.int(2) }),
      { ...again(dice, plan), ...to(), version: 2, maxFailures: 0, at: { event: 'result', nth: 1 + dice.int(count) } },
      { ...again(dice, plan), version: 2, at: { event: 'result', nth: 1 + dice.int(2 * count) } },
    ],
    blows: [
      blow({ event: 'settled', nth: 1 }),
      ...Array.from({ length: 1 + dice.int(4) }, () =>
        blow(moment(dice, ['our sending', 'result', 'ready', '202'], 4)),
      ),
      ...(dice.int(2) === 0 ? comingAndGoing(dice) : []),
    ],
  };
};

/** What devices do that still have an image to boot reaches us late, because nothing passes on our own connection. */
const late: Theme = (dice, plan) => {
  const at: Moment = { event: 'our rebooting', nth: 1 + dice.int(2) };
  return {
    ...plan,
    nodes: 1,
    devices: odd(dice, plan, () => ({ what: 'never idle' })),
    errands: [
      ...first(plan, { what: 'update', version: 1, attempts: 2 }),
      { ...again(dice, plan), version: 2, at: moment(dice, ['result', 'statistics'], 3) },
    ],
    blows: [
      { at, fault: drawFault(dice, 'late', 0, plan.devices.length) },
      ...plan.devices.map((_device, device): Blow => ({ at, fault: { what: 'dropped', device } })),
    ],
  };
};

/** Devices are sent the image that they run; some do not boot it, and reconnect only. */
const reinstalled: Theme = (dice, plan) => ({
  ...plan,
  devices: odd(dice, plan, () => ({ what: dice.pick(['never idle', '200 lost', '200 lost, never idle'] as const) })),
  errands: [
    ...first(plan, { what: 'update', version: 0, force: true }),
    { ...again(dice, plan), version: dice.int(2), force: true, at: moment(dice, ['result', 'statistics'], 3) },
  ],
  blows: plan.devices.flatMap((_device, device): Blow[] =>
    dice.int(2) === 0 ? [{ at: moment(dice, ['our rebooting'], 3), fault: { what: 'dropped', device } }] : [],
  ),
});

const afterStop = ['redeployed', 'restarted', 'killed', 'killed', 'resumed', 'retried', 'retried one'] as const;

const PREVIOUS = '$implementation/ota/firmware/PREVIOUS';

/** Combines on purpose what rarely occurs together by chance. */
export function withTheme(dice: Random, plan: Plan): Plan {
  return dice.pick([
    queued,
    neverIdle,
    twoNames,
    oneImage,
    typo,
    blink,
    lostSuccess,
    flashedBack,
    stopped,
    stopped,
    thereAndBack,
    thereAndBack,
    excluded,
    late,
    reinstalled,
    observed,
    observed,
    stepwise,
    stepwise,
  ])(dice, plan);
}

const interruptions = ['canceled', 'canceled one', 'paused', 'redeployed', 'restarted', 'killed', 'cut'] as const;

/** Returns an update of the same devices as the first errand of a plan, with other settings. */
function again(dice: Random, plan: Plan): ErrandPlan {
  const [errand] = drawErrands(dice, plan.devices, plan.nodes);
  const [original] = plan.errands;
  if (errand === undefined || original === undefined) throw new Error('A plan has an errand');
  const { devices } = original;
  return { ...errand, what: 'update', version: 1, devices };
}

/** Makes about half of the devices misbehave. */
function odd(dice: Random, plan: Plan, mishap: () => NonNullable<DevicePlan['mishap']>): DevicePlan[] {
  return plan.devices.map((device) => (dice.int(2) === 0 ? { ...device, mishap: mishap() } : device));
}

function slow(dice: Random, plan: Plan): Fault {
  return {
    what: 'slow',
    bytesPerSecond: dice.pick([50_000, 200_000]),
    until: { event: 'statistics', nth: 2 * plan.devices.length },
  };
}

/** Restarts our side in any phase. */
function comingAndGoing(dice: Random): Blow[] {
  return Array.from({ length: 1 + dice.int(2) }, () => ({
    at: moment(dice, [...ourPhases, '200', 'offline', 'init', 'ready', 'result'], 3),
    fault: { what: dice.pick(['redeployed', 'restarted', 'killed'] as const) },
  }));
}
