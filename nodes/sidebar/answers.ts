/**
 * What the admin routes of the sidebar answer: plain data, for the sidebar and for scripts. See docs/admin-api.md.
 * Names, versions and other texts of devices are untrusted: anyone who may publish on the broker chooses them.
 */
import type { RowChanges } from '../../src/devices/rows';
import type { TableRow } from '../../src/devices/table';
import type { ConfigCheck, Remark } from '../../src/config/check-device';
import type { JsonObject } from '../../src/config/json';
import type { JobCard } from '../../src/rollout/job-card';
import type { FirmwareName, State } from '../../src/update/update';
import type { Value } from '../../src/texts/text';
import type { LinkState } from '../shared/broker-node';
import type { OfferedFirmware } from '../shared/offered-firmware';
import type { ConfigField } from './form-fields';

/** `GET brokers/:id/table`: what has changed since a cursor, or everything. */
export interface TableAnswer extends LinkState, RowChanges<TableRow> {
  /** The clock of Node-RED, in ms since 1970. That of a browser may differ. */
  readonly now: number;
  /** Open jobs and those that ended lately, newest first. Always complete. */
  readonly jobs: readonly JobCard[];
  /** The images on offer, newest first. Always complete. */
  readonly offers: readonly OfferCard[];
}

/** An image on offer. */
export interface OfferCard extends OfferedFirmware {
  /** When it was put on offer, in ms since 1970. */
  readonly at: number;
  /** Devices for which it is on offer: how many can be updated, and all. */
  readonly available: number;
  readonly devices: number;
}

/** `POST brokers/:id/offers`: an uploaded image. */
export interface OfferAnswer {
  /** Whether it is on offer now. If not, a higher version stays on offer, unless `replace` is set. */
  readonly offered: boolean;
  readonly offer: OfferedFirmware;
  /** The version that stays on offer, if `offered` is false. */
  readonly instead?: string;
}

/**
 * What a plan does. All of these may change a device, so each is shown before it is confirmed. Not so
 * `DELETE brokers/:id/offers/:md5`, `POST brokers/:id/jobs/:job/pause` and `POST brokers/:id/jobs/:job/close`, which
 * answer with the status 204.
 */
export const planActions = ['update', 'rollback', 'set', 'cancel', 'retry', 'resume', 'exclude', 'include'] as const;

export type PlanAction = (typeof planActions)[number];

/** `POST brokers/:id/plans`. */
export interface PlanRequest {
  readonly action: PlanAction;
  /** Ids of devices. For `update` without devices: all devices for which an update is available. */
  readonly devices?: readonly string[];
  /** For `cancel`, `retry` and `resume`: the id of a job, instead of devices or in addition to them. */
  readonly job?: string;
  /** For `update`: only devices that get the image with this MD5. */
  readonly checksum?: string;
  /** For `set`: the patch. */
  readonly patch?: JsonObject;
  /** For `set`: allow changes that could make a device unreachable. Without it, they are rejected. */
  readonly allowRisky?: boolean;
  /** For `set`: split a patch that is too large for a device into several, with a reboot after each. */
  readonly split?: boolean;
}

/** A device in a plan. */
export interface PlannedDevice {
  readonly id: string;
  readonly name?: string;
  /** Whether the action includes the device, at once or when the device is there. */
  readonly included: boolean;
  /**
   * The verdict of the check, or what the action does with the device: see docs/admin-api.md. `other_image`: another
   * image than that of the request is on offer for it; `none`: the command is not for it.
   */
  readonly verdict: string;
  /** The reasons, as sentences. */
  readonly says: readonly Value[];
  /** The firmware that runs, for `update`, `rollback` and `retry`. */
  readonly from?: FirmwareName;
  /** The firmware that the device would get. */
  readonly to?: FirmwareName;
  /** For `set`: what the patch would do. */
  readonly config?: PlannedChange;
}

/** What a patch would do to the configuration of a device. Secrets are masked. */
export interface PlannedChange extends Pick<ConfigCheck, 'differences' | 'messages' | 'reboots' | 'sketch'> {
  /** Why the patch is refused. */
  readonly problems: readonly Remark[];
  readonly risks: readonly Remark[];
  readonly warnings: readonly Remark[];
}

/** The answer to a plan. Nothing has been done yet: `POST brokers/:id/plans/:plan/start` does it. */
export interface PlanAnswer {
  readonly id: string;
  readonly action: PlanAction;
  readonly devices: readonly PlannedDevice[];
  /** For `update` by image: how many more devices run the firmware but are not selected. */
  readonly others: number;
}

/** The answer to the start of a plan. */
export interface StartAnswer {
  /** The ids of the jobs that do it; none for `exclude` and `include`. */
  readonly jobs: readonly string[];
  /** How many devices are included. */
  readonly devices: number;
}

/** `GET brokers/:id/devices/:device`: all that is known of a device. */
export interface DeviceDetails {
  readonly facts: DeviceFacts;
  /** Newest first. */
  readonly history: readonly HistoryRow[];
  /** The configuration as last published, secrets masked, or why it is unknown. */
  readonly config:
    { readonly content: JsonObject; readonly fields: readonly ConfigField[] } | { readonly says: readonly Value[] };
}

/** `GET brokers/:id/report`. */
export interface ReportAnswer {
  /** A bug report in Markdown, in English. */
  readonly text: string;
}

export interface DeviceFacts {
  readonly id: string;
  readonly baseTopic: string;
  readonly name?: string;
  readonly state?: string;
  readonly mac?: string;
  readonly ip?: string;
  /** Wi-Fi signal in percent. */
  readonly signal?: number;
  /** Seconds since the boot, at `seen`. */
  readonly uptime?: number;
  /** Seconds between two statistics. */
  readonly interval?: number;
  /** `esp8266` or `esp32`, and the version of Homie. */
  readonly implementation?: string;
  readonly implementationVersion?: string;
  /** The version of the Homie convention. */
  readonly homie?: string;
  readonly firmware?: string;
  readonly version?: string;
  readonly checksum?: string;
  /** Whether the device accepts firmware. */
  readonly ota?: boolean;
  readonly excluded?: true;
  /** In ms since 1970. */
  readonly seen?: number;
  /** The version that the device would get from a rollback. */
  readonly previous?: FirmwareName;
}

/** A result in the history of a device. */
export interface HistoryRow {
  readonly job: string;
  readonly change: 'firmware' | 'configuration';
  /** When it ended, in ms since 1970. */
  readonly at: number;
  readonly state: State;
  readonly reason?: string;
  readonly error?: readonly Value[];
  readonly from: FirmwareName;
  readonly to?: FirmwareName;
  /** ms. */
  readonly duration: number;
  /** The node that did it, or the sidebar. */
  readonly by?: string;
}
