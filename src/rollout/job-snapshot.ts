/** Converts a job to plain data, and creates a plan from it. */
import type { Arrivals } from './arrivals';
import type { JobContext, JobDevice } from './job-device';
import type { JobDevices } from './job-devices';
import type { JobState } from './job-state';
import type { RolloutSettings } from './settings';
import { Plan } from './plan';
import type { Lifetime } from './lifetime';

/** Returns the state of a job to store. */
export function stateOf(
  { lifetime: { startedAt, elapsed, idle }, schedule }: JobContext,
  { isAdmitted, isCanceled }: JobDevices,
  { isClosed }: Arrivals,
  devices: readonly JobDevice[],
): JobState {
  return {
    startedAt,
    elapsed: Math.round(elapsed),
    admitted: isAdmitted,
    ...(isClosed && { closed: true }),
    ...(isCanceled && { canceled: true }),
    idle,
    plan: schedule.plan.holds.state,
    devices: devices.map(({ state }) => state),
  };
}

/**
 * Returns the plan of a job, after a restart from its stored state. If the devices had not been found yet, the plan is
 * without devices. A device that was in flight counts as running until it is judged.
 */
export function planOf(settings: RolloutSettings, lifetime: Lifetime, state?: JobState): Plan {
  if (state === undefined) return new Plan(settings);
  const waits = state.devices.map(({ entry: { device, state: was }, flight, since, waited }) => ({
    device,
    state: flight !== undefined ? ('running' as const) : was === 'running' ? ('queued' as const) : was,
    since: waited === undefined ? lifetime.timeOf(since) : lifetime.timeOf(undefined) - waited,
  }));
  return new Plan(settings, state.plan, state.admitted ? waits : []);
}
