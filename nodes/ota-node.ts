import type { Node } from 'node-red';
import type { CheckSummary } from '../src/ota/check';
import type { Request } from './request';

/** A `homie-ota` node. */
export interface OtaNode extends Node {
  /** Tells what an update with this message would do to each device, and sends nothing. Rejects with a HomieError. */
  check?: (msg: Request) => Promise<CheckSummary>;
  /** The id of its `homie-broker`. */
  broker?: string;
}

/** One that is deployed. */
export type CheckingNode = OtaNode & Required<Pick<OtaNode, 'check'>>;

export function isOtaNode(node: unknown): node is CheckingNode {
  return typeof node === 'object' && node !== null && 'type' in node && node.type === 'homie-ota' && 'check' in node;
}
