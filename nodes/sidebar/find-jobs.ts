import type { NodeAPI } from 'node-red';
import { findBrokerNode } from '../shared/broker-node';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import { SidebarRefusal } from './sidebar-refusal';

/**
 * Returns the jobs of the sidebar for a homie-broker.
 *
 * @throws {SidebarRefusal} undeployed: the homie-broker is not deployed
 * @throws {HomieError} what is wrong with its settings
 */
export function findJobs(RED: NodeAPI, brokerId: string): SidebarJobs {
  const node = findBrokerNode(RED, brokerId);
  if (node?.sidebar !== undefined) return node.sidebar;
  throw node !== undefined && 'error' in node.link ? node.link.error : new SidebarRefusal('undeployed');
}
