import { HomieError } from '../../src/errors';
import { phrase, type Value } from '../../src/texts/text';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import type { PlannedDevice, PlanRequest } from './answers';
import { nameOf } from './planned-device';
import type { Plan } from './plans';

/** Plans to exclude devices from updates, or to include them again. */
export function planExclusion(jobs: SidebarJobs, { action, devices: ids = [] }: PlanRequest): Plan {
  const { broker, queue } = jobs;
  const { library } = queue;
  const isExclusion = action === 'exclude';
  const devices = ids.map((id): PlannedDevice => {
    const isDone = library.isExcluded(broker.locks.keyOf(id)) === isExclusion;
    const isKnown = broker.registry.get(id) !== undefined;
    const [verdict, says] = ((): [string, Value] => {
      if (isDone) return ['no_change', phrase(isExclusion ? 'plan.alreadyExcluded' : 'plan.alreadyIncluded')];
      if (isKnown || !isExclusion) return [action, phrase(isExclusion ? 'plan.exclude' : 'plan.include')];
      return ['unknown', new HomieError('DEVICE_UNKNOWN.neverSeen', { id, baseTopic: broker.shownBaseTopic }).text];
    })();
    return { id, ...nameOf(broker, id), included: verdict === action, verdict, says: [says] };
  });
  const included = devices.filter((device) => device.included);
  const begin = async (): Promise<readonly string[]> => {
    await jobs.openStore();
    for (const { id } of included) await library.exclude(broker.locks.keyOf(id), isExclusion);
    return [];
  };
  return { devices, begin: included.length > 0 ? begin : undefined };
}
