/** The table of the device locks: one for the process, also where this package is loaded more than once. */
import type { HomieError } from '../errors';
import type { Device, DeviceEvent } from './device';
import { moment, reachedAtDeparture, type Departure, type Moment } from './elapsed';
import { restartShown } from './uptime';

/** What a device may have to boot: an image, or a patch of its configuration. */
export type Staged = 'image' | 'patch';

/**
 * How an exchange left a device that may have something to boot: it was seen to take it (`flashed`), it gave no sign although
 * it was seen all the time (`unheard`), or nothing is known (`unknown`).
 */
export type OpenEnd = 'flashed' | 'unknown' | 'unheard';

/** What a device may have to boot, as plain data: it outlives the process. */
export interface PendingReboot extends Departure {
  /** Base topic and device id. */
  readonly address: string;
  readonly what: Staged;
  /** The device sends its uptime, which will show the reboot. */
  readonly statistics: boolean;
  /** The device gave no sign that it received a patch, so any statistics show that it is idle. */
  readonly unheard?: true;
}

/** Writes down what is pending on a device, or that nothing is; resolves when that is on the disk. It must not reject. */
export type PendingWriter = (key: string, pending: PendingReboot | undefined) => Promise<void>;

/** Says why nothing must be sent to any device. */
export type Guard = () => HomieError | undefined;

/** What is known of one device. */
export interface Hold {
  readonly address: string;
  mac?: string;
  job?: string;
  pending?: PendingReboot;
  /** What came before is not for what is pending, in ms of `performance.now()`. */
  since: number;
  /** A publish that is still on its way to the broker, and that nobody watches any more. */
  orphan?: Promise<void>;
}

/** What is known of the device at an address. */
export type Reader = (address: string) => Device | undefined;

/** All devices of the process, also where this package is loaded more than once. */
export interface Table {
  readonly byAddress: Map<string, Set<Hold>>;
  /** Several where devices claim the same address. */
  readonly byMac: Map<string, Set<Hold>>;
  readonly readers: Set<Reader>;
  readonly writers: Set<PendingWriter>;
  readonly guards: Set<Guard>;
  /** Called once, when a device has become free, or one of its reasons not to be has gone. */
  readonly freed: Set<() => void>;
}

const TABLE_KEY = Symbol.for('@homie-ota/node-red-homie-ota/locks/3');
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
  };
  Reflect.set(globalThis, TABLE_KEY, made);
  return made;
}

export function findHold(address: string, mac: string | undefined): Hold | undefined {
  const { byAddress, byMac } = lockTable();
  const same = mac === undefined ? [] : [...(byMac.get(mac) ?? [])];
  const found = same.find((hold) => hold.address === address) ?? same.find((hold) => !isInPlace(hold));
  if (found !== undefined) return found;
  const here = byAddress.get(address);
  if (here === undefined) return undefined;
  const [first] = mac === undefined ? here : [...here].filter((hold) => hold.mac === undefined);
  if (first !== undefined && mac !== undefined) nameHold(first, mac);
  return first;
}

export function enterHold(address: string, mac: string | undefined): Hold {
  const { byAddress } = lockTable();
  const hold: Hold = { address, since: performance.now() };
  byAddress.set(address, (byAddress.get(address) ?? new Set()).add(hold));
  if (mac !== undefined) nameHold(hold, mac);
  return hold;
}

function nameHold(hold: Hold, mac: string): void {
  const { byMac } = lockTable();
  hold.mac = mac;
  byMac.set(mac, (byMac.get(mac) ?? new Set()).add(hold));
}

/** Whether a device with its `$mac` is seen where it was: one that has moved is not. */
function isInPlace({ address, mac }: Hold): boolean {
  return [...lockTable().readers].some((read) => {
    const device = read(address);
    const state = device?.state?.value ?? 'lost';
    return device?.mac?.value === mac && state !== 'lost' && state !== 'disconnected';
  });
}

/** Tells that something speaks less against a device, and forgets one of which nothing is held. */
export function pruneHold(hold: Hold): void {
  const { freed } = lockTable();
  for (const tell of freed) {
    freed.delete(tell);
    tell();
  }
  if (hold.job !== undefined || hold.pending !== undefined || hold.orphan !== undefined) return;
  const { byAddress, byMac } = lockTable();
  removeHold(byAddress, hold.address, hold);
  if (hold.mac !== undefined) removeHold(byMac, hold.mac, hold);
}

function removeHold(holds: Map<string, Set<Hold>>, at: string, hold: Hold): void {
  const same = holds.get(at);
  same?.delete(hold);
  if (same?.size === 0) holds.delete(at);
}

export async function setPending(hold: Hold, pending: PendingReboot | undefined): Promise<void> {
  const before = hold.pending;
  if (pending === undefined) delete hold.pending;
  else hold.pending = pending;
  pruneHold(hold);
  const [was, is] = [before && keyOf(before), pending && keyOf(pending)];
  await Promise.all(
    [...lockTable().writers].flatMap((write) => [
      ...(is === undefined ? [] : [write(is, pending)]),
      ...(was === undefined || was === is ? [] : [write(was, undefined)]),
    ]),
  );
}

/**
 * Whether a live event shows that a device has nothing to boot any more.
 *
 * @param connectedAt when its present connection began, in ms of `performance.now()`; undefined when nobody saw that
 */
export function showsIdle(pending: PendingReboot, event: DeviceEvent, connectedAt: number | undefined): boolean {
  // Of a device that sends no uptime, nothing tells a restart from a mere reconnect.
  if (event.attribute === 'state') return event.value === 'init' && !pending.statistics;
  if (event.attribute !== 'uptime') return false;
  const now = { moment: moment(), ms: performance.now() };
  return pending.unheard === true || restartShown(reachedAtDeparture(pending, now), { ...event, connectedAt });
}

/** A device of which only the key is known under which it was written down: it may have an image to boot. */
export function pendingOf(text: string, at: Moment): PendingReboot {
  const [, address = text, mac] = /^(.*) ([0-9A-Fa-f:]{17})$/.exec(text) ?? [];
  return { address, ...(mac !== undefined && { mac }), what: 'image', at, statistics: true };
}

function keyOf({ address, mac }: PendingReboot): string {
  return mac === undefined ? address : `${address} ${mac}`;
}
