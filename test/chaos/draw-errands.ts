import type { Random } from '../support/random';
import { moment } from './draw-blows';
import { patches } from './messages';
import type { DevicePlan, ErrandPlan } from './plan';

export function drawErrands(dice: Random, devices: readonly DevicePlan[], nodes: number): ErrandPlan[] {
  return Array.from({ length: 1 + (dice.int(2) === 0 ? dice.int(3) : 0) }, (_none, index): ErrandPlan => {
    const all = devices.map((_device, each) => each);
    const family = devices[dice.int(devices.length)]?.implementation;
    const alike = all.filter((each) => devices[each]?.implementation === family);
    const some = dice.shuffle(alike).slice(0, 1 + dice.int(alike.length));
    const what = dice.int(3) === 0 ? 'set' : 'update';
    return {
      what,
      ...(index > 0 && { at: moment(dice, ['sent', '202', '200', 'ready', 'result', 'settled', 'patch'], 4) }),
      // Most errands name devices of one chip: an image for another chip is refused before anything is sent.
      devices: dice.int(10) === 0 ? 'all' : dice.int(12) === 0 ? all : dice.int(2) === 0 ? alike : some,
      version: what === 'set' ? 1 + dice.int(patches.length) : dice.int(4) === 0 ? 2 : 1,
      via: dice.int(nodes),
      exclude: dice.int(6) === 0 ? [dice.int(devices.length)] : [],
      attempts: 1 + dice.int(3),
      ...(dice.int(12) === 0 && { allowIncompatible: true as const }),
      encoding: dice.int(6) === 0 ? 'base64' : 'binary',
      concurrency: dice.pick([1, 2, 5, 10]),
      canary: dice.pick([0, 0, 1, 2]),
      maxFailures: dice.pick([0, 0, 0, 1, 2]),
      order: dice.pick(['given', 'id']),
    };
  });
}
