/**
 * What is known of a Homie device: the last value of each topic that the package follows, and how it came.
 * Retained messages tell what was; only live ones tell what happens.
 */

import type { FirmwareName } from '../update/update';

/** One value, and how it came. */
export interface Fact<T> {
  readonly value: T;
  /** False when the broker delivered it as retained. */
  readonly live: boolean;
  /** When it came, in ms of `performance.now()`: a monotonic clock, so that clock jumps do no harm. */
  readonly at: number;
}

/** `$state` of Homie 3. Of Homie 2, `$online` true is `ready` and false is `lost`. */
export const deviceStates = ['init', 'ready', 'lost', 'sleeping', 'disconnected', 'alert'] as const;

export type DeviceState = (typeof deviceStates)[number];

/** The values that are followed, by their names in this package. */
export interface Attributes {
  /** `$state`, or `$online`. */
  state: DeviceState;
  /** `$homie`: version of the convention, for instance `3.0.1`. */
  homie: string;
  /** `$name`. */
  name: string;
  /** `$mac`. */
  mac: string;
  /** `$fw/name`. */
  fwName: string;
  /** `$fw/version`: free text. */
  fwVersion: string;
  /** `$fw/checksum`: MD5 of the running image, lower-cased. */
  checksum: string;
  /** `$implementation`: `esp8266` or `esp32`. */
  implementation: string;
  /** `$implementation/version`. */
  implementationVersion: string;
  /** `$implementation/config`: the JSON text as it was published. */
  config: string;
  /** `$implementation/config/set`: the text there; the device empties it when it has received a patch. */
  configSet: string;
  /** `$implementation/ota/enabled`. */
  otaEnabled: boolean;
  /** `$implementation/ota/status`: the text as it came. */
  otaStatus: string;
  /** `$stats/uptime` in s since boot. */
  uptime: number;
}

export type Attribute = keyof Attributes;

export type Device = {
  readonly id: string;
  /** When it last gave a sign of itself, in ms of `performance.now()`; undefined when no live message of it has come. */
  readonly seenAt?: number | undefined;
  /** When the live `init` of its present connection came, in ms of `performance.now()`; undefined when nobody saw that. */
  readonly connectedAt?: number | undefined;
  /** It has said that it sleeps, live or retained. */
  readonly sleeps?: boolean | undefined;
} & { readonly [A in Attribute]?: Fact<Attributes[A]> | undefined };

/**
 * Changes of our own connection. It may be dead for long before it is known to be lost: what happened after `heardAt`,
 * when the broker gave its last sign, in ms of `performance.now()`, was not seen.
 */
export type ConnectionChange = { readonly value: 'lost'; readonly heardAt: number } | { readonly value: 'restored' };

/** One thing that happened to a device, or to our own connection while we watch it. */
export type DeviceEvent =
  | { readonly [A in Attribute]: { readonly attribute: A } & Fact<Attributes[A]> }[Attribute]
  | ({ readonly attribute: 'connection'; readonly at: number } & ConnectionChange);

/** What a device says of the firmware that it runs. */
export function runningFirmware({ fwName, fwVersion, checksum }: Device): FirmwareName {
  return {
    ...(fwName && { name: fwName.value }),
    ...(fwVersion && { version: fwVersion.value }),
    ...(checksum && { checksum: checksum.value }),
  };
}
