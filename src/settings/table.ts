/**
 * Defines every setting once: its allowed values, its default, and its section in the dialogs. The types, the parser,
 * the rows and defaults of the dialogs and their validators are derived from this table. To add a setting, add an entry
 * here and its texts: a label and a hint in the locales, an entry in the help of its nodes, and a row in the docs.
 */
import { deviceStates, MAX_DEVICES } from '../homie/device';
import {
  address,
  choice,
  days,
  devices,
  flag,
  names,
  repository,
  seconds,
  someOf,
  text,
  times,
  whole,
  type Setting,
} from './setting';

const install = {
  /** Reinstall the image on devices that already run it. */
  force: flag(false),
  /** Allow an image with a lower version than the running one. */
  allowDowngrade: flag(false),
  /** Allow another firmware name, an image without the Homie signature, or another chip. An ESP8266 still only gets an
   * ESP8266 image. */
  allowIncompatible: flag(false),
};

const transfer = {
  /** Encoding of the image in the MQTT message. `base64` is best effort. */
  encoding: choice(['binary', 'base64'], { icon: 'exchange' }),
  /** Maximum number of transfers. */
  attempts: whole(2, 1, 10, { unit: 'inAll' }),
  /** Restart a device whose update is stuck, with an empty configuration patch. */
  recoverReboot: flag(true),
  /** Clear a retained firmware message that undoes an update. */
  clearRetained: flag(false),
};

const otaDeadlines = {
  /** Until the broker has acknowledged the image; plus 1 s for each 20 kB of the image. */
  sending: seconds(120),
  /** From broker acknowledgement to the first response of the device. */
  accepted: seconds(30),
  /** Since the last response of the device during the transfer. */
  stall: seconds(120),
  /** From the 200, or its equivalent, until the device reconnects. */
  reboot: seconds(180),
  /** From reconnecting until the device is ready. */
  ready: seconds(60),
};

const several = {
  /** Devices at once. */
  concurrency: whole(1, 1, MAX_DEVICES, { unit: 'devices' }),
  /** Devices that must be proven before the other devices start; 0: none. */
  canary: whole(1, 0, MAX_DEVICES, { unit: 'devices' }),
  /** Observation time: how long a canary must stay ready after its proof, without another boot. */
  soak: seconds(60),
  /** Between two starts. */
  spacing: seconds(0),
  /** Number of failures after which no more devices start; 0: unlimited. */
  maxFailures: whole(1, 0, MAX_DEVICES, { unit: 'failures' }),
  /** The order in which devices start: as listed, or by id. */
  order: choice(['given', 'id'], { icon: 'sort' }),
  /** Ids and patterns of excluded devices. */
  exclude: devices([], { icon: 'ban' }),
};

const when = {
  /** When devices may start, in local time. */
  window: times({ icon: 'clock-o', placeholder: '01:00-05:00' }),
  /** How long to wait for a device that cannot start; several nights if there is a window. */
  expires: { ...seconds(3600), withWindow: 72 * 3600 },
  /** How long failed devices can be retried. */
  keep: days(7),
  /** The job stays open for devices that appear later. */
  continuous: flag(false),
  /** Survive a restart. */
  persist: flag(true),
};

const sending = {
  /** Allow changes that could make the device unreachable. */
  allowRisky: flag(false),
  /** Split a patch that is too large, with a reboot after each part. */
  split: flag(false),
  /** Send a patch even if nothing changes. */
  force: flag(false),
  /** Clear the retained topics that a device leaves behind when it moves to another id or base topic. */
  clearOld: flag(false),
};

const secrets = {
  /** Words that mark a setting as secret if its name contains one of them. */
  secretNames: names(['password', 'secret', 'token', 'key'], { icon: 'eye-slash' }),
  /** Total bytes of `wifi.password`, `mqtt.username` and `mqtt.password` as stored in the file, if known. */
  secretBytes: whole(undefined, 0, 2000, { unit: 'bytes' }),
  /** Size of the TCP segments that the devices were built with, in bytes. */
  segment: choice([536, 1460], { icon: 'scissors' }),
};

const configDeadlines = {
  /** Until the broker has acknowledged the patch. */
  sending: seconds(30),
  /** From broker acknowledgement to the empty message with which the device confirms receipt. */
  received: seconds(30),
  /** From receipt until the device reconnects. */
  reboot: seconds(90),
  /** From reconnecting until the device is ready. */
  ready: seconds(60),
};

/** Settings of an update. */
export const ota = { ...install, ...transfer, ...otaDeadlines };

/** Settings of a configuration change. */
export const config = { ...sending, ...secrets, ...configDeadlines };

/** Settings of a rollout. */
export const rollout = { ...several, ...when };

/** Filters of a device list. An undefined filter excludes no device; an empty list excludes all devices. */
export const query = {
  /** Ids and patterns. */
  device: devices(undefined),
  state: someOf(deviceStates),
  /** Names, as in `$fw/name`. */
  firmware: names(undefined),
  /** Only devices that are outdated compared with the firmware in the request. */
  outdated: flag(false),
};

/** Settings of a connection that are numbers. */
export const connection = {
  port: whole(undefined, 1, 65_535),
  /** Seconds between two keep-alive packets; 0: off. */
  keepalive: whole(60, 0, 65_535),
};

/** Where images are searched for, and which. */
export const source = {
  source: choice(['folder', 'url', 'releases']),
  /** Path of a folder. */
  folder: text(undefined),
  /** Also search the folders below it. */
  subfolders: flag(false),
  /** Address of one image. */
  url: address(undefined),
  /** Address of the API of GitHub, Gitea or Forgejo. */
  api: address('https://api.github.com'),
  repository: repository(undefined),
  /** Number of releases to search. */
  releases: whole(5, 1, 30),
  prereleases: flag(false),
  /** Names of files, or of files that are attached to a release. */
  pattern: names(['*.bin', '*.bin.gz']),
  /** Send only images that the last search did not find. */
  onlyChanged: flag(false),
  /** Until a search has ended. */
  timeout: seconds(300),
};

export type Section = Readonly<Record<string, Setting>>;

const updates = { install, several, when, transfer, deadlines: otaDeadlines };

/** An update from the sidebar includes only devices that a user has confirmed, not devices that appear later. */
const { continuous: _continuous, ...whenConfirmed } = when;

/** For each node, the settings whose rows are in its own html, and the generated sections. */
export const nodes: Readonly<Record<string, { own: Section; sections: Readonly<Record<string, Section>> }>> = {
  'homie-broker': { own: connection, sections: { ...updates, when: whenConfirmed } },
  'homie-ota': { own: {}, sections: updates },
  'homie-config': { own: {}, sections: { sending, several, when, secrets, deadlines: configDeadlines } },
  'homie-devices': { own: query, sections: {} },
  'homie-firmware': { own: source, sections: {} },
};

/** Returns the node whose locale files contain the texts of a section: homie-broker if it also shows that section. */
export function catalogueOf(type: string, section: Section): string {
  return Object.values<Section>(updates).includes(section) ? 'homie-broker' : type;
}
