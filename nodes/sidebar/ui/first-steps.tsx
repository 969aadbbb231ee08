/** What to do while there are no devices to show. */
import type { BrokerNode } from './editor';

export function FirstSteps(_: { readonly brokers: readonly BrokerNode[] }) {
  return null;
}
