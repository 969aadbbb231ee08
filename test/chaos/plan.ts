import { createHash } from 'node:crypto';
import type { ImageOrigin } from '../../src/library/choose';
import type { DialectName } from '../simulator/dialects';

/** The `nth` occurrence of a protocol event, at one device or at any. Never a point in time. */
export interface Moment {
  readonly event: Happening;
  /** Index of the device; without it, any device counts. */
  readonly device?: number;
  /** Starts at 1. */
  readonly nth: number;
}

/** Phases that our jobs report. */
export const ourPhases = [
  'our waiting',
  'our sending',
  'our accepted',
  'our flashing',
  'our received',
  'our rebooting',
  'our verifying',
] as const;

/**
 * - of a device: `boot`, `init` and `ready` of `$state`, `statistics`, `offline`, `image` (the first bytes have
 * arrived), `202`, `206`, `200` and `refused` of the OTA status, `patched` (a patch has arrived)
 * - of our side: `sent` and `patch` (the PUBLISH of an image or a patch has begun on the wire), `settled` (the retained
 * messages have arrived), `result`, `our …` (the state or phase of a device that has not ended), `our stopped` (a job),
 * and `our observing` (a canary has come under observation)
 */
export const happenings = [
  'boot',
  'init',
  'ready',
  'statistics',
  'offline',
  'image',
  '202',
  '206',
  '200',
  'refused',
  'patched',
  'sent',
  'patch',
  'settled',
  'result',
  'our queued',
  'our stopped',
  'our observing',
  ...ourPhases,
] as const;
export type Happening = (typeof happenings)[number];

/** A fault. `until` counts from its start. */
export type Fault =
  | { readonly what: 'broker killed'; readonly until: Moment }
  /** The broker is back after `milliseconds`. With a slow `reconnect`, the devices reconnect before our client. */
  | { readonly what: 'broker blinked'; readonly milliseconds: number }
  | { readonly what: 'broker frozen'; readonly until: Moment }
  /** Faults of our own connection. */
  | { readonly what: 'cut' }
  | { readonly what: 'truncated'; readonly bytes: number }
  | { readonly what: 'stalled'; readonly until: Moment }
  | { readonly what: 'muted' }
  /** No connection can be made for `milliseconds`, or nothing passes for as long. */
  | { readonly what: 'outage' | 'late'; readonly milliseconds: number }
  | { readonly what: 'slow'; readonly bytesPerSecond: number; readonly until: Moment }
  /** Faults of the connections of all devices. */
  | { readonly what: 'devices cut' }
  | { readonly what: 'devices stalled'; readonly until: Moment }
  | { readonly what: 'dropped' | 'crashed' | 'asleep' | 'idle'; readonly device: number }
  | { readonly what: 'off'; readonly device: number; readonly until: Moment }
  /** Another device with the same id replaces the device. */
  | { readonly what: 'replaced'; readonly device: number }
  /** Another updater publishes to the device. */
  | { readonly what: 'other firmware' | 'other patch'; readonly device: number }
  /** The wall clock jumps by a number of ms. */
  | { readonly what: 'clock'; readonly by: number }
  /** Our nodes are recreated; our process ends in an orderly way and starts again; it is killed and starts again. */
  | { readonly what: 'redeployed' | 'restarted' | 'killed' }
  /** A second process uses the same user directory. Only with a real Node-RED. */
  | { readonly what: 'second process'; readonly until: Moment }
  /** Commands and messages of people. */
  | { readonly what: 'paused'; readonly until: Moment }
  | { readonly what: 'canceled' | 'resumed' | 'retried' | 'joined' }
  | { readonly what: 'canceled one' | 'retried one'; readonly device: number }
  /** A person excludes a device from updates, or includes it again. */
  | { readonly what: 'excluded' | 'included'; readonly device: number };

export interface Blow {
  readonly at: Moment;
  readonly fault: Fault;
}

/** Properties of a device. */
export interface DevicePlan {
  readonly implementation: 'esp8266' | 'esp32';
  readonly core: 2 | 3;
  readonly homie: 2 | 3;
  /** Firmware of the images that do not say which one they hold. */
  readonly dialect: DialectName;
  /** ms from an OTA status to the reboot, with the fork. */
  readonly statusGrace: number;
  readonly segment: 536 | 1460;
  /** Seconds since its boot. */
  readonly uptime: number;
  /** ms. */
  readonly bootDelay: number;
  /** ms for each 4 KiB. */
  readonly flashDelay: number;
  /** The device does not publish `$stats/uptime`. */
  readonly noStatistics?: true;
  /** The statistics follow `ready` after a delay in ms, or the first ones of each connection get lost. */
  readonly statistics?: { readonly delay: number } | 'first lost';
  /** `$mac` is empty. */
  readonly unknownMac?: true;
  /** The file contains an unused login, with `secret` bytes each for name and password, and has about `bytes` bytes. */
  readonly stale?: { readonly secret: number; readonly bytes: number };
  readonly sleep?: { readonly awake: number; readonly asleep: number };
  readonly otaDisabled?: true;
  /** The device is off until this moment. */
  readonly absentUntil?: Moment;
  readonly mishap?:
    | { readonly what: 'drop' | 'hang' | 'crash' | 'stall' | 'bad flash'; readonly at: number; readonly times: number }
    | { readonly what: 'loses'; readonly statuses: readonly string[] }
    | { readonly what: 'never back' | 'comes back with another' | 'comes back as before' | 'silent reboot' | 'deaf' }
    /** `never idle`: a flashed image waits indefinitely. `200 lost`: the connection is lost, too. */
    | { readonly what: 'never idle' | '200 lost' | '200 lost, never idle' }
    /**
     * `slow`: the MQTT client gives up in the middle. `silent`: no status for images that arrive soon after `ready`.
     */
    | { readonly what: 'slow' | 'silent' }
    | { readonly what: 'busy'; readonly until: Moment };
  /** Retained messages under the device's topics at the start. */
  readonly retained: readonly { readonly topic: string; readonly payload: string }[];
}

/** A message of a person. */
export interface ErrandPlan {
  readonly what: 'update' | 'set';
  /**
   * `offer`: the image is put on offer, and the devices get what is on offer for them. `previous`: the devices go back to
   * the image that was proven before. Default: the message contains the image. Only without a Node-RED.
   */
  readonly origin?: ImageOrigin;
  /** A person uses the sidebar instead of a message. Only with a Node-RED, and for named devices. */
  readonly bySidebar?: true;
  /** Default: at the start. */
  readonly at?: Moment;
  /** Indices of devices named by their full ids; all devices that run the firmware; or all devices by a pattern. */
  readonly devices: readonly number[] | 'all' | 'pattern';
  /** Number of the newer image, or 0 for the one that runs; number of the patch, from 1. */
  readonly version: number;
  /** Index of the broker node. */
  readonly via: number;
  /** Indices of devices that the message excludes. */
  readonly exclude: readonly number[];
  readonly attempts: number;
  readonly allowIncompatible?: true;
  readonly force?: true;
  readonly encoding: 'binary' | 'base64';
  readonly concurrency: number;
  readonly canary: number;
  /** Observation time of a canary, in s of real time. Default: that of `deadlines`. */
  readonly soak?: number;
  readonly maxFailures: number;
  readonly order: 'given' | 'id';
}

/** Everything that happens in a run, as plain data. */
export interface Plan {
  readonly seed: number;
  readonly run: number;
  readonly host: 'library' | 'node-red';
  readonly broker: { readonly persistence: boolean };
  readonly protocolVersion: 4 | 5;
  /** Homie convention of the devices. */
  readonly convention: 3 | 5;
  /** How many times as fast the clock of our jobs goes, so that what takes minutes can occur. Without a Node-RED. */
  readonly haste: number;
  /** Number of our broker nodes: the first one uses 127.0.0.1, the second one localhost. */
  readonly nodes: 1 | 2;
  /** ms before our clients reconnect. */
  readonly reconnect: { readonly min: number; readonly max: number };
  /** Bytes of the images. */
  readonly size: number;
  readonly devices: readonly DevicePlan[];
  readonly errands: readonly ErrandPlan[];
  readonly blows: readonly Blow[];
}

/** Returns the base topic under which the devices publish. */
export function baseTopicOf({ convention }: Pick<Plan, 'convention'>): string {
  return convention === 5 ? 'homie/5/' : 'homie/';
}

/** Returns a checksum of plans. */
export function digest(plans: readonly Plan[]): string {
  return createHash('sha256').update(JSON.stringify(plans)).digest('hex').slice(0, 16);
}

/** Returns a plan as text: its devices, messages and faults. */
export function script(plan: Plan): string {
  const { seed, run, host, broker, protocolVersion, nodes, reconnect, size, devices, errands, blows } = plan;
  const { convention, haste } = plan;
  const retained = broker.persistence ? 'with' : 'without';
  return [
    `seed ${seed} run ${run}: ${host}, mosquitto ${retained} persistence, MQTT ${protocolVersion}, images of ${size} bytes, ${nodes} broker nodes, reconnect ${reconnect.min} to ${reconnect.max} ms, convention ${convention}, clock times ${haste}`,
    ...devices.map((device, index) => `  device ${index} ${JSON.stringify(device)}`),
    ...errands.map(({ at, ...errand }) => `  ${at ? when(at) : 'at once'}: ${JSON.stringify(errand)}`),
    ...blows.map(({ at, fault }) => `  ${when(at)}: ${shown(fault)}`),
  ].join('\n');
}

function when({ event, device, nth }: Moment): string {
  return `at ${event} no. ${nth}${device === undefined ? '' : ` of device ${device}`}`;
}

function shown(fault: Fault): string {
  const { what, ...rest } = fault;
  return Object.keys(rest).length === 0 ? what : `${what} ${JSON.stringify(rest)}`;
}
