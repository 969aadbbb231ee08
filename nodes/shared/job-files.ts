import path from 'node:path';
import type { NodeAPI } from 'node-red';
import type { HomieError } from '../../src/errors';
import { JobStore } from '../../src/rollout/store/job-store';

/** The store of each folder, and how many nodes use it. All nodes of the process share what is known of the devices. */
const stores = new Map<string, { readonly store: JobStore; users: number }>();

/** A node's use of the folder where jobs are stored. */
export interface StoreUse {
  readonly store: JobStore;
  /** Ends the use. The last user leaves the folder to other processes. */
  readonly leave: () => Promise<void>;
}

/** Returns the store where jobs survive a restart; undefined if Node-RED has no user directory. */
export function useStore(RED: NodeAPI): StoreUse | undefined {
  const { userDir } = RED.settings;
  if (typeof userDir !== 'string' || userDir === '') return undefined;
  const folder = path.resolve(userDir, 'homie-ota');
  const tell = ({ message, hint }: HomieError): void => RED.log.error(`[homie-ota] ${message} ${hint}`);
  const shared = stores.get(folder) ?? { store: new JobStore(folder, tell), users: 0 };
  stores.set(folder, shared);
  shared.users += 1;
  const leave = async (): Promise<void> => {
    shared.users -= 1;
    if (shared.users === 0) await shared.store.close();
  };
  return { store: shared.store, leave };
}
