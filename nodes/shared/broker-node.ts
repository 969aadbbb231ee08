import type { Node, NodeAPI } from 'node-red';
import { HomieError } from '../../src/errors';
import type { BrokerOptions, HomieBroker } from '../../src/homie/broker';
import type { ConnectionStatus } from '../../src/mqtt/connection';
import type { Value } from '../../src/texts/text';
import type { SidebarJobs } from './sidebar-jobs';

/** What the nodes of a flow get from their `homie-broker`: the broker, or why there is none. */
export type BrokerLink = { readonly broker: HomieBroker } | { readonly error: HomieError };

export interface BrokerCredentials {
  user: unknown;
  password: unknown;
}

/** A `homie-broker` node. */
export interface BrokerNode extends Node<BrokerCredentials> {
  link: BrokerLink;
  /** The settings of the connection; undefined if something is wrong with them. */
  settings?: BrokerOptions;
  /** The jobs of the sidebar; undefined if something is wrong with the settings. */
  sidebar?: SidebarJobs;
}

/** Returns the broker of the `homie-broker` with this id, or why there is none. Never throws. */
export function linkTo(RED: NodeAPI, id: unknown): BrokerLink {
  return findBrokerNode(RED, id)?.link ?? { error: new HomieError('NO_BROKER') };
}

/** Returns the deployed `homie-broker` with this id; undefined if there is none. */
export function findBrokerNode(RED: NodeAPI, id: unknown): BrokerNode | undefined {
  const node: unknown = typeof id === 'string' && id !== '' ? RED.nodes.getNode(id) : undefined;
  return isBrokerNode(node) ? node : undefined;
}

/** The state of a `homie-broker` for the editor. `undeployed`: there is no such node, or not yet. */
export interface LinkState {
  readonly state: ConnectionStatus['state'] | 'undeployed';
  /** Why it is not connected, in a sentence. */
  readonly reason?: Value;
  /** The device limit if it is reached, so that devices may be missing. */
  readonly limit?: number;
}

export function stateOf(link: BrokerLink): LinkState {
  if ('error' in link) {
    const { code, text } = link.error;
    return code === 'NO_BROKER' ? { state: 'undeployed' } : { state: 'disconnected', reason: text };
  }
  const { status, registry } = link.broker;
  return {
    state: status.state,
    ...(status.state === 'disconnected' && { reason: status.error.text }),
    ...(registry.isFull && { limit: registry.limit }),
  };
}

function isBrokerNode(node: unknown): node is BrokerNode {
  return typeof node === 'object' && node !== null && 'type' in node && node.type === 'homie-broker' && 'link' in node;
}
