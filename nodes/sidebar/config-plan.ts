import { checkConfig, type ConfigCheck } from '../../src/config/check-device';
import { configDefaults } from '../../src/config/settings';
import { configWork } from '../../src/rollout/config-work';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import type { PlannedDevice, PlanRequest } from './answers';
import { nameOf } from './planned-device';
import type { Plan } from './plans';

/** Problems that may be gone by the time the device is available. */
const passing: ReadonlySet<string> = new Set(['CONFIG_UNKNOWN', 'REBOOT_PENDING']);

/**
 * Plans a configuration change. Secret values of the patch are kept in memory, and are in no answer.
 *
 * @throws {HomieError} INVALID_SETTING; the errors of `checkConfig`
 */
export async function planConfig(
  jobs: SidebarJobs,
  { devices: ids = [], patch = {}, allowRisky = false, split = false }: PlanRequest,
): Promise<Plan> {
  const { broker, around, closing } = jobs;
  const { rollout } = jobs.settings;
  const settings = { ...configDefaults, allowRisky, split };
  const { exclude } = rollout;
  const { devices: checked } = await checkConfig(broker, patch, ids, settings, { signal: closing, exclude });
  const devices = checked.map((check): PlannedDevice => {
    const { device, verdict, says, differences, messages, reboots, sketch } = check;
    const { reason, problems, risks, warnings } = says;
    return {
      id: device,
      ...nameOf(broker, device),
      included: isIncluded(check),
      verdict,
      says: reason,
      config: { problems, risks, warnings, differences, messages, reboots, sketch },
    };
  });
  const included = devices.flatMap(({ id, included: isOne }) => (isOne ? [id] : []));
  const begin = async (): Promise<readonly string[]> => [
    await jobs.begin(configWork({ patch, devices: included, settings, rollout }, around)),
  ];
  return { devices, begin: included.length > 0 ? begin : undefined };
}

function isIncluded({ verdict, problems }: ConfigCheck): boolean {
  switch (verdict) {
    case 'set':
    case 'unknown':
      return true;
    case 'offline':
    case 'busy':
    case 'unseen':
      // Checked against the configuration that was published last.
      return problems.every(({ code }) => passing.has(code));
    case 'no_change':
    case 'rejected':
    case 'excluded':
      return false;
  }
}
