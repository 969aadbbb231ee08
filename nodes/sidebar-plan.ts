import { randomUUID } from 'node:crypto';
import type { NodeAPI } from 'node-red';
import type { FirmwareName } from '../src/homie/update';
import type { CheckVerdict } from '../src/ota/check';
import { plainText } from '../src/plain-text';
import { linkTo } from './broker-node';
import type { Staged } from './firmware-stage';
import { isOtaNode, type CheckingNode } from './ota-node';
import { Refused } from './sidebar-refusal';

/** What becomes of a device when the update is started. */
interface PlannedDevice {
  readonly id: string;
  readonly name?: string;
  readonly verdict: CheckVerdict;
  readonly reason: string;
  readonly from: FirmwareName;
  /** Whether the update is for it: at once, or when it is there. */
  readonly included: boolean;
}

/** What is shown before the confirming click. */
export interface PlanAnswer {
  readonly id: string;
  readonly devices: readonly PlannedDevice[];
  /** How many more devices run the firmware, which are not meant. */
  readonly others: number;
}

/** For the devices that the node is set to, or for all that run the firmware. */
export type Meant = 'node' | 'firmware';

/** Those that the update would leave alone, whatever happens meanwhile. */
const leftAlone: ReadonlySet<CheckVerdict> = new Set<CheckVerdict>([
  'up_to_date',
  'older',
  'ota_disabled',
  'incompatible',
  'held',
  'excluded',
]);

/**
 * Finds out what an update with the settings of a node would do, and remembers what is shown of it.
 *
 * @throws {Refused} when there is no such node; {HomieError} as the update would be refused
 */
export async function planUpdate(RED: NodeAPI, staged: Staged, nodeId: string, meant: Meant): Promise<PlanAnswer> {
  const node = otaNode(RED, nodeId);
  const { image, info } = staged.firmware;
  const id = randomUUID();
  staged.requested = id;
  const { devices } = await node.check({ payload: image, ...(meant === 'firmware' && { matchFirmware: true }) });
  const link = linkTo(RED, node.broker);
  const known = 'broker' in link ? link.broker.registry.devices : new Map<string, never>();
  const planned = devices.map(({ device, from: { name: firmware, version, ...from }, ...found }): PlannedDevice => {
    const name = known.get(device)?.name?.value;
    return {
      id: device,
      ...found,
      ...(name !== undefined && { name: plainText(name) }),
      from: {
        ...from,
        ...(firmware !== undefined && { name: plainText(firmware) }),
        ...(version !== undefined && { version: plainText(version) }),
      },
      included: !leftAlone.has(found.verdict),
    };
  });
  const ids = new Set(planned.map((device) => device.id));
  const others = [...known.values()].filter(
    ({ id: other, state, fwName }) => state !== undefined && fwName?.value === info.name && !ids.has(other),
  );
  // A check takes longer for some nodes than for others: the plan that was asked for last is the one that is shown.
  if (staged.requested === id) {
    staged.plan = { id, node, devices: planned.filter(({ included }) => included).map((device) => device.id) };
  }
  return { id, devices: planned, others: others.length };
}

/**
 * Starts what was shown: the node gets a message, as from the flow.
 *
 * @returns how many devices it is for
 * @throws {Refused} when that was not shown last, or the node was deployed anew since
 */
export function startUpdate(RED: NodeAPI, { firmware, plan }: Staged, nodeId: string, planId: string): number {
  const node = otaNode(RED, nodeId);
  if (plan?.id !== planId || plan.node !== node) throw new Refused('changed');
  if (plan.devices.length === 0) throw new Refused('nothing');
  const { image, info } = firmware;
  node.receive({ payload: image, checksum: info.md5, device: [...plan.devices] });
  return plan.devices.length;
}

/** @throws {Refused} */
function otaNode(RED: NodeAPI, id: string): CheckingNode {
  const node: unknown = RED.nodes.getNode(id);
  if (!isOtaNode(node)) throw new Refused('undeployed');
  return node;
}
