/**
 * What the versions of the firmware do differently on the wire: one row for each, and the only place that knows
 * versions. `ran`: seen on a host build of the code of that version; `read`: read in its sources. The original is
 * homie-esp8266 3.0 (ran at ba452ea); all later versions are its maintained fork, labodj/homie-esp8266.
 */
import type { Device } from './device';

/**
 * A message to the firmware topic that finds out whether an update was cut off or an image waits for the reboot. It must
 * not begin with 0xE9 or its base64, so that no device ever writes anything of it.
 */
interface Question {
  /** The MD5 in the topic: that of the running image, or of the image that may be staged. `none`: no MD5 at all. */
  readonly to: 'running' | 'image' | 'none';
  readonly payload: Buffer;
  /** A status that may come before the answer; alone, it says that the device is idle or has an image to boot. */
  readonly first?: RegExp;
  /** Without `first`, a status says nothing. */
  readonly needsFirst?: true;
  /** The status of a device that has nothing staged and receives nothing. */
  readonly idle: RegExp;
  /** The status that follows `first` if it comes late, narrower than `idle`: it must not be taken for another answer. */
  readonly rest?: RegExp;
}

/** A name that firmware with strict names accepts: its base topic is one, and so are its id and its own name. */
export const STRICT_NAME = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/** How numbers with a fraction are kept in the configuration, and written with how many digits at most. */
export type Precision = 'single' | 'double';

export interface Dialect {
  readonly name: 'original' | 'fork 3.1' | 'fork 3.7' | 'fork 4' | 'unknown';
  /** The longest topic that a device receives, in bytes. */
  readonly maxTopic: number;
  readonly question: Question;
  /** A live status after which the device has discarded an update that it was receiving; nothing is staged. */
  readonly discarded?: RegExp;
  /** The MQTT client of the device ends its connection if a transfer takes longer than about 40 s. */
  readonly endsSlowTransfers: boolean;
  /**
   * The firmware starts only if base topic, id and firmware name are each a {@link STRICT_NAME}. A patch is not checked for
   * that, so a device could lose itself.
   */
  readonly strictNames: boolean;
  /** What the configuration can hold. */
  readonly config: {
    readonly precision: Precision;
    /** The largest `device_stats_interval` that does no harm, in s. */
    readonly maxStatsInterval: number;
    /** Whether the device takes `mqtt.ssl` and its fingerprint. */
    readonly takesTls: boolean;
    /** The longest patch, in bytes. A longer one is dropped, and the topic is not emptied. */
    readonly maxPatch: number;
  };
}

/**
 * Zeros to the running image. In the middle of a dead update, the device answers `304` and then `500 INTERNAL_ERROR 0`,
 * and its updater is free again. An idle device and one with a staged image both answer `304` alone. The zeros must fill
 * more than one TCP segment. If the device runs another image by now, it answers `202`, `400 BAD_FIRMWARE`.
 */
const zerosToRunning: Question = {
  to: 'running',
  payload: Buffer.alloc(4096),
  first: /^304/,
  needsFirst: true,
  idle: /^(?:40[^3]|4[^0]\d|5\d\d)/,
  rest: /^500 INTERNAL_ERROR 0/,
};

const original: Dialect = {
  name: 'original',
  maxTopic: 129,
  question: zerosToRunning,
  endsSlowTransfers: true,
  strictNames: false,
  config: { precision: 'single', maxStatsInterval: 994, takesTls: true, maxPatch: Infinity },
};

/**
 * 3.1 to 3.6. A drop in the middle discards the image without a status, and the device is never half dead (read). One
 * byte to the MD5 of a staged image: `200`; if it is not staged: `400 BAD_FIRMWARE`, perhaps after a `202` (read).
 */
const fork31: Dialect = {
  ...original,
  name: 'fork 3.1',
  question: {
    to: 'image',
    payload: Buffer.from('0'),
    first: /^202/,
    idle: /^400 BAD_FIRMWARE/,
    rest: /^400 BAD_FIRMWARE/,
  },
};

/** 3.7 to 3.x: checks its names when it boots (read). */
const fork37: Dialect = { ...fork31, name: 'fork 3.7', strictNames: true };

/**
 * 4 and later (ran). A drop in the middle discards the image, and the device reports that when it reconnects. One byte
 * to a topic without an MD5: `400 BAD_CHECKSUM 7 VALIDATE` from an idle device, `503 REBOOT_PENDING` from one that has
 * something to boot. A topic of 129 characters loses its last one.
 */
const fork4: Dialect = {
  ...fork37,
  name: 'fork 4',
  maxTopic: 128,
  question: { to: 'none', payload: Buffer.from('0'), idle: /^400 BAD_CHECKSUM \d+ VALIDATE$/ },
  discarded: /^(?:500 DISCONNECTED|408)/,
  endsSlowTransfers: false,
  config: { precision: 'double', maxStatsInterval: 65_535, takesTls: false, maxPatch: 4096 },
};

/** A device that does not report its version: the most careful of each. */
const unknown: Dialect = {
  ...original,
  name: 'unknown',
  maxTopic: fork4.maxTopic,
  strictNames: true,
  config: { ...original.config, takesTls: false, maxPatch: fork4.config.maxPatch },
};

/** The rows with the first version of each, latest first. */
const rows: readonly (readonly [major: number, minor: number, dialect: Dialect])[] = [
  [4, 0, fork4],
  [3, 7, fork37],
  [3, 1, fork31],
  [0, 0, original],
];

/** Returns what is special about the firmware that a device runs, from its `$implementation/version`. */
export function dialectOf(device: Pick<Device, 'implementationVersion'> | undefined): Dialect {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})(?:\D|$)/.exec(device?.implementationVersion?.value ?? '') ?? [];
  if (major === undefined || minor === undefined) return unknown;
  const isSince = (from: number, minorFrom: number): boolean =>
    Number(major) > from || (Number(major) === from && Number(minor) >= minorFrom);
  return rows.find(([from, minorFrom]) => isSince(from, minorFrom))?.[2] ?? unknown;
}

/** Returns whether a status says that a device has discarded the update that it was receiving. */
export function hasDiscarded(device: Pick<Device, 'implementationVersion'> | undefined, status: string): boolean {
  return dialectOf(device).discarded?.test(status) === true;
}
