/**
 * The table of the device locks and of failures with base64: one per process, even if this package is loaded more than
 * once.
 */
import type { HomieError } from '../errors';
import type { Device, DeviceEvent } from './device';
import { hasDiscarded } from './dialect';
import { moment, reachedAtDeparture, type Departure, type Moment } from './elapsed';
import { restartShown, withConnection } from './uptime';

/** What a device may have to boot: an image, or a configuration patch. */
export type Staged = 'image' | 'patch';

/**
 * How an exchange left a device that may have something to boot. `flashed`: the device was seen to accept it.
 * `unheard`: the device gave no sign of it, although it could be seen all the time. `unknown`: neither is known.
 */
export type OpenEnd = 'flashed' | 'unknown' | 'unheard';

/** What a device may have to boot, as plain data, because it outlives the process. */
export interface PendingReboot extends Departure {
  /** Base topic and device id. */
  readonly address: string;
  readonly what: Staged;
  /** Whether the device sends its uptime, which will show the reboot. */
  readonly statistics: boolean;
  /** The device gave no sign that it received a patch, so any statistics show that it is idle. */
  readonly unheard?: true;
}

/** Stores what is pending on a device, or that nothing is. Resolves when that is on the disk. Must not reject. */
export type PendingWriter = (key: string, pending: PendingReboot | undefined) => Promise<void>;

/** Returns why nothing must be sent to any device; undefined if sending is allowed. */
export type Guard = () => HomieError | undefined;

/** The reasons why one device is locked. */
export interface LockEntry {
  readonly address: string;
  mac?: string;
  job?: string;
  pending?: PendingReboot;
  /** Nothing before this was caused by what is pending, in ms of `performance.now()`. */
  since: number;
  /** A publish still in progress that nobody watches any more. */
  orphan?: Promise<void>;
}

/** Returns what is known of the device at an address. */
export type Reader = (address: string) => Device | undefined;

/** What is known of all devices in the process, whichever connection leads to them. */
export interface Table {
  readonly byAddress: Map<string, Set<LockEntry>>;
  /** Several entries for a `$mac` if devices claim the same one. */
  readonly byMac: Map<string, Set<LockEntry>>;
  readonly readers: Set<Reader>;
  readonly writers: Set<PendingWriter>;
  readonly guards: Set<Guard>;
  /** Called once, when a device has become free or one reason for its lock has ended. */
  readonly freed: Set<() => void>;
  /** Devices on which base64 has failed: the scope of each, followed by its id. */
  readonly base64Failures: Set<string>;
}

const TABLE_KEY = Symbol.for('@homie-ota/node-red-homie-ota/locks/4');

/** Returns the table of this process, and creates it if there is none. */
export function lockTable(): Table {
  const known: Table | undefined = Reflect.get(globalThis, TABLE_KEY);
  if (known !== undefined) return known;
  const made: Table = {
    byAddress: new Map(),
    byMac: new Map(),
    readers: new Set(),
    writers: new Set(),
    guards: new Set(),
    freed: new Set(),
    base64Failures: new Set(),
  };
  Reflect.set(globalThis, TABLE_KEY, made);
  return made;
}

/**
 * Returns the scope in which the id of a device is unique: host and base topic.
 *
 * @param url of the broker
 * @param baseTopic with its trailing slash
 */
export function scopeOf(url: string, baseTopic: string): string {
  const host = new URL(url).hostname.toLowerCase().replace(/\.$/, '');
  const isLocal = host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
  return `${isLocal ? 'localhost' : host}/${baseTopic}`;
}

/**
 * Returns the entry of a device. An entry of the same `$mac` counts if it is at this address, or if the device has left
 * the address of the entry. Otherwise an entry at this address counts if either `$mac` is unknown; the entry then takes
 * the known one.
 */
export function findEntry(address: string, mac: string | undefined): LockEntry | undefined {
  const { byAddress, byMac } = lockTable();
  const same = mac === undefined ? [] : [...(byMac.get(mac) ?? [])];
  const found = same.find((entry) => entry.address === address) ?? same.find((entry) => !isInPlace(entry));
  if (found !== undefined) return found;
  const here = byAddress.get(address);
  if (here === undefined) return undefined;
  const [first] = mac === undefined ? here : [...here].filter((entry) => entry.mac === undefined);
  if (first !== undefined && mac !== undefined) nameEntry(first, mac);
  return first;
}

/** Adds an entry for a device. */
export function enterEntry(address: string, mac: string | undefined): LockEntry {
  const { byAddress } = lockTable();
  const entry: LockEntry = { address, since: performance.now() };
  byAddress.set(address, (byAddress.get(address) ?? new Set()).add(entry));
  if (mac !== undefined) nameEntry(entry, mac);
  return entry;
}

function nameEntry(entry: LockEntry, mac: string): void {
  const { byMac } = lockTable();
  entry.mac = mac;
  byMac.set(mac, (byMac.get(mac) ?? new Set()).add(entry));
}

/** Returns whether a device with this `$mac` is still seen at its address. If it has moved, it is not. */
function isInPlace({ address, mac }: LockEntry): boolean {
  return [...lockTable().readers].some((read) => {
    const device = read(address);
    const state = device?.state?.value ?? 'lost';
    return device?.mac?.value === mac && state !== 'lost' && state !== 'disconnected';
  });
}

/**
 * Wakes everybody who waits for a device, since a reason for a lock may have ended. Removes the entry if nothing is left
 * in it.
 */
export function pruneEntry(entry: LockEntry): void {
  const { freed } = lockTable();
  for (const tell of freed) {
    freed.delete(tell);
    tell();
  }
  if (entry.job !== undefined || entry.pending !== undefined || entry.orphan !== undefined) return;
  const { byAddress, byMac } = lockTable();
  removeEntry(byAddress, entry.address, entry);
  if (entry.mac !== undefined) removeEntry(byMac, entry.mac, entry);
}

function removeEntry(entries: Map<string, Set<LockEntry>>, at: string, entry: LockEntry): void {
  const same = entries.get(at);
  same?.delete(entry);
  if (same?.size === 0) entries.delete(at);
}

/** Sets what is pending on a device, or clears it. Resolves when that is stored. */
export async function setPending(entry: LockEntry, pending: PendingReboot | undefined): Promise<void> {
  const before = entry.pending;
  if (pending === undefined) delete entry.pending;
  else entry.pending = pending;
  pruneEntry(entry);
  const [was, is] = [before && keyOf(before), pending && keyOf(pending)];
  await Promise.all(
    [...lockTable().writers].flatMap((write) => [
      ...(is === undefined ? [] : [write(is, pending)]),
      ...(was === undefined || was === is ? [] : [write(was, undefined)]),
    ]),
  );
}

/**
 * Returns whether a live event shows that a device has nothing to boot any more.
 *
 * @param device what is known of it
 */
export function showsIdle(pending: PendingReboot, event: DeviceEvent, device: Device | undefined): boolean {
  // If a device sends no uptime, a restart cannot be told from a mere reconnect.
  if (event.attribute === 'state') return event.value === 'init' && !pending.statistics;
  if (event.attribute === 'otaStatus') return pending.what === 'image' && hasDiscarded(device, event.value);
  if (event.attribute !== 'uptime') return false;
  const now = { moment: moment(), ms: performance.now() };
  return pending.unheard === true || restartShown(reachedAtDeparture(pending, now), withConnection(event, device));
}

/** Returns the pending reboot of a device if only the key of its record is readable: it may have an image to boot. */
export function pendingOf(text: string, at: Moment): PendingReboot {
  const [, address = text, mac] = /^(.*) ([0-9A-Fa-f:]{17})$/.exec(text) ?? [];
  return { address, ...(mac !== undefined && { mac }), what: 'image', at, statistics: true };
}

function keyOf({ address, mac }: PendingReboot): string {
  return mac === undefined ? address : `${address} ${mac}`;
}
