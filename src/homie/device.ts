/**
 * What is known of a Homie device: the last value of each topic that the package follows, and how the value arrived.
 * Retained messages say what was; only live messages say what is happening.
 */

import type { FirmwareName } from '../update/update';
import type { Attributes, Facts } from './values';

/** One value, and how it arrived. */
export interface Fact<T> {
  readonly value: T;
  /** False if the broker delivered it as retained. */
  readonly live: boolean;
  /** When it arrived, in ms of `performance.now()`: a monotonic clock, so that changes of the wall clock do no harm. */
  readonly at: number;
  /** Of states, uptimes and update statuses: the broker sent it after this time; left out if that is `at`. */
  readonly from?: number;
}

/** How many devices are remembered under one base topic. */
export const MAX_DEVICES = 20_000;

/** The values of `$state` in Homie 3. In Homie 2, `$online` true becomes `ready`, and false becomes `lost`. */
export const deviceStates = ['init', 'ready', 'lost', 'sleeping', 'disconnected', 'alert'] as const;

export type DeviceState = (typeof deviceStates)[number];

export type Attribute = keyof Attributes;

export type Device = {
  readonly id: string;
  /** When the device last gave a live sign of itself, in ms of `performance.now()`; undefined if it never has. */
  readonly seenAt?: number | undefined;
  /**
   * When the live `init` of its current connection arrived, in ms of `performance.now()`; undefined if it was not seen.
   */
  readonly connectedAt?: number | undefined;
  /** The broker sent that `init` after this time. */
  readonly connectedFrom?: number | undefined;
  /** Each connect since then was seen live, in ms of `performance.now()`: when our own connection was made. */
  readonly followedAt?: number | undefined;
  /** Whether it has ever said that it sleeps, live or retained. */
  readonly sleeps?: boolean | undefined;
} & Readonly<Facts>;

/**
 * A change of our own connection. A dead connection may be known to be lost only much later: nothing after `heardAt`,
 * when the broker last sent something, in ms of `performance.now()`, was seen.
 */
export type ConnectionChange = { readonly value: 'lost'; readonly heardAt: number } | { readonly value: 'restored' };

/** One event of a device, or of our own connection while the device is watched. */
export type DeviceEvent =
  | { readonly [A in Attribute]: { readonly attribute: A } & Fact<Attributes[A]> }[Attribute]
  | ({ readonly attribute: 'connection'; readonly at: number } & ConnectionChange);

/** Returns what a device reports about the firmware that it runs. */
export function runningFirmware({ fwName, fwVersion, checksum }: Device): FirmwareName {
  return {
    ...(fwName && { name: fwName.value }),
    ...(fwVersion && { version: fwVersion.value }),
    ...(checksum && { checksum: checksum.value }),
  };
}
