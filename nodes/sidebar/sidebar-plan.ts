import { randomUUID } from 'node:crypto';
import type { NodeAPI } from 'node-red';
import type { DeviceChoice } from '../../src/homie/select';
import type { FirmwareName } from '../../src/update/update';
import type { CheckVerdict } from '../../src/ota/check';
import { plainText } from '../../src/plain-text';
import type { Value } from '../../src/texts/text';
import { findBrokerNode } from '../shared/broker-node';
import type { Staged } from './upload-store';
import { SidebarRefusal } from './sidebar-refusal';
import type { SidebarUpdates } from '../shared/sidebar-updates';

/** What the update would do to a device. */
interface PlannedDevice {
  readonly id: string;
  readonly name?: string;
  readonly verdict: CheckVerdict;
  /** The reasons, in sentences. */
  readonly says: readonly Value[];
  readonly from: FirmwareName;
  /** Whether the update includes the device, at once or when it is there. */
  readonly included: boolean;
}

/** What the user sees before confirming. */
export interface PlanAnswer {
  readonly id: string;
  readonly devices: readonly PlannedDevice[];
  /** How many more devices run the firmware but are not selected. */
  readonly others: number;
}

/** Verdicts of devices that the update would skip, whatever happens in the meantime. */
const leftAlone: ReadonlySet<CheckVerdict> = new Set<CheckVerdict>([
  'up_to_date',
  'older',
  'ota_disabled',
  'incompatible',
  'held',
  'stopped',
  'excluded',
]);

/**
 * Checks what an update with the settings of a homie-broker would do, and remembers the plan that is shown.
 *
 * @throws {SidebarRefusal} undeployed: the homie-broker is not deployed
 * @throws {HomieError} why the update would be refused
 */
export async function planUpdate(
  RED: NodeAPI,
  staged: Staged,
  brokerId: string,
  choice: DeviceChoice,
): Promise<PlanAnswer> {
  const updates = updatesOf(RED, brokerId);
  const { firmware } = staged;
  const id = randomUUID();
  staged.requested = id;
  const { devices } = await updates.check(firmware, choice);
  const known = updates.broker.registry.devices;
  const planned = devices.map(({ device, from: { name: running, version, ...from }, ...found }): PlannedDevice => {
    const name = known.get(device)?.name?.value;
    return {
      id: device,
      ...found,
      ...(name !== undefined && { name: plainText(name) }),
      from: {
        ...from,
        ...(running !== undefined && { name: plainText(running) }),
        ...(version !== undefined && { version: plainText(version) }),
      },
      included: !leftAlone.has(found.verdict),
    };
  });
  const ids = new Set(planned.map((device) => device.id));
  const others = [...known.values()].filter(
    ({ id: other, state, fwName }) => state !== undefined && fwName?.value === firmware.info.name && !ids.has(other),
  );
  // Checks may overlap and take different times. The plan that was requested last is the one that is shown.
  if (staged.requested === id) {
    staged.plan = { id, updates, devices: planned.filter(({ included }) => included).map((device) => device.id) };
  }
  return { id, devices: planned, others: others.length };
}

/**
 * Starts the update that was shown, for these devices and no others.
 *
 * @returns the number of devices
 * @throws {SidebarRefusal} changed: the plan was not shown last, or the homie-broker was deployed again since; nothing:
 * the plan includes no device; undeployed
 * @throws {HomieError} those of `SidebarUpdates.update`
 */
export async function startUpdate(RED: NodeAPI, staged: Staged, brokerId: string, planId: string): Promise<number> {
  const updates = updatesOf(RED, brokerId);
  const { plan } = staged;
  if (plan?.id !== planId || plan.updates !== updates) throw new SidebarRefusal('changed');
  if (plan.devices.length === 0) throw new SidebarRefusal('nothing');
  // A second request must not start the update again.
  delete staged.plan;
  await updates.update(staged.firmware, plan.devices);
  return plan.devices.length;
}

/**
 * @throws {SidebarRefusal} undeployed: the homie-broker is not deployed
 * @throws {HomieError} what is wrong with its settings
 */
function updatesOf(RED: NodeAPI, brokerId: string): SidebarUpdates {
  const node = findBrokerNode(RED, brokerId);
  if (node?.updates !== undefined) return node.updates;
  throw node !== undefined && 'error' in node.link ? node.link.error : new SidebarRefusal('undeployed');
}
