import type { Node, NodeAPI } from 'node-red';
import { HomieError } from '../src/errors';
import type { BrokerOptions, HomieBroker } from '../src/homie/broker';

/** What the nodes of a flow get from their `homie-broker`: the broker, or why there is none. */
export type BrokerLink = { readonly broker: HomieBroker } | { readonly error: HomieError };

export interface BrokerCredentials {
  user: unknown;
  password: unknown;
}

/** A `homie-broker` node. */
export interface BrokerNode extends Node<BrokerCredentials> {
  link: BrokerLink;
  /** How it connects; not there when something is wrong with the settings. */
  settings?: BrokerOptions;
}

/** What the `homie-broker` with this id gives. Never throws. */
export function linkTo(RED: NodeAPI, id: unknown): BrokerLink {
  const node: unknown = typeof id === 'string' && id !== '' ? RED.nodes.getNode(id) : undefined;
  return isBrokerNode(node) ? node.link : { error: new HomieError('NO_BROKER') };
}

export function isBrokerNode(node: unknown): node is BrokerNode {
  return typeof node === 'object' && node !== null && 'type' in node && node.type === 'homie-broker' && 'link' in node;
}
