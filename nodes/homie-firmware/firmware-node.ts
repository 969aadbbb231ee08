import type { Node, NodeAPI } from 'node-red';
import type { HomieError } from '../../src/errors';
import type { NodeSource, SourceCredentials } from './firmware-settings';

/** A `homie-firmware` node. */
export interface FirmwareNode extends Node<SourceCredentials> {
  /** The settings of the node, or the error in them. */
  own: NodeSource | HomieError;
}

/** Returns the deployed `homie-firmware` with this id; undefined if there is none. */
export function findFirmwareNode(RED: NodeAPI, id: unknown): FirmwareNode | undefined {
  const node: unknown = typeof id === 'string' && id !== '' ? RED.nodes.getNode(id) : undefined;
  return isFirmwareNode(node) ? node : undefined;
}

function isFirmwareNode(node: unknown): node is FirmwareNode {
  return typeof node === 'object' && node !== null && 'type' in node && node.type === 'homie-firmware' && 'own' in node;
}
