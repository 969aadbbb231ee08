/** Messages in the form of version 0.1.0, for the nodes that it has made. */
import { HomieError } from '../../src/errors';
import type { ListedDevice } from '../../src/devices/list';
import type { HomieBroker } from '../../src/homie/broker';
import { isPattern, matchAny } from '../../src/homie/pattern';
import type { History } from '../../src/rollout/store/history';
import type { Remembered } from '../../src/rollout/store/history-record';
import { readDevices, readOptions, type Request } from './request';

/**
 * Reads the settings in a message as `readOptions` does.
 *
 * @param old whether any property of the message may be a setting. `msg.options` takes precedence
 */
export function optionsOf(msg: Request, names: readonly string[], old: boolean): Request | HomieError {
  const options = readOptions(msg['options'], names);
  if (!old || options instanceof HomieError) return options;
  const found = names.filter((name) => Object.hasOwn(msg, name)).map((name) => [name, msg[name]] as const);
  return { ...Object.fromEntries(found), ...options };
}

/** Returns the last results of each device that a message names, oldest first: `last` of the answer to `status`. */
export function lastResults({ locks }: HomieBroker, history: History, device: unknown): object {
  const names = readDevices(device);
  const isMeant = matchAny(names);
  const last = new Map<string, Remembered[]>(names.filter((name) => !isPattern(name)).map((name) => [name, []]));
  for (const result of history.recent(locks.scope, (each) => isMeant(each.device))) {
    last.set(result.device, [result, ...(last.get(result.device) ?? [])]);
  }
  return Object.fromEntries(last);
}

const oldStates: Readonly<Record<string, string>> = {
  up_to_date: 'idle',
  newer_installed: 'idle',
  held: 'available',
  excluded: 'available',
};

/** Returns devices whose `update` also has the names of 0.1.0. */
export function withOldUpdates(devices: readonly ListedDevice[]): object[] {
  return devices.map(({ update, ...device }) => {
    if (update === undefined) return device;
    const { installed, offered, state } = update;
    const names = { installed_version: installed, latest_version: offered, state: oldStates[state] ?? state };
    return { ...device, update: { ...update, ...names } };
  });
}

/** The events that 0.1.0 did not send. */
export const newEvents: ReadonlySet<string> = new Set(['update_available', 'updated']);
