import type { Random } from '../support/random';
import type { DevicePlan, ErrandPlan, Plan } from './plan';

/** Changes a plan so that what rarely occurs together by chance does. */
export type Theme = (dice: Random, plan: Plan) => Plan;

/** Returns the first errand of a plan with changes. */
export function first(plan: Plan, changes: Partial<ErrandPlan>): ErrandPlan[] {
  return plan.errands.slice(0, 1).map((errand) => ({ ...errand, ...changes }));
}

/** Returns a mishap with which an update of a device fails. */
export function failing(dice: Random, plan: Plan): NonNullable<DevicePlan['mishap']> {
  const what = dice.pick(['bad flash', 'comes back as before', 'comes back with another'] as const);
  return what === 'bad flash' ? { what, at: 1 + dice.int(plan.size), times: 2 } : { what };
}
