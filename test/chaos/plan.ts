import { createHash } from 'node:crypto';

/** Something that happens in the protocol, for the `nth` time, at one device or at any. Never a time. */
export interface Moment {
  readonly event: Happening;
  /** Index of the device; any of them when it is left out. */
  readonly device?: number;
  /** From 1. */
  readonly nth: number;
}

/** What our jobs tell while they are at work. */
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
 * - of a device: `boot`, `init` and `ready` of `$state`, `statistics`, `offline`, `image` (the first bytes of one have come),
 *   `202`, `206`, `200` and `refused` of the OTA status, `patched` (a patch has come)
 * - of ours: `sent` and `patch` (the PUBLISH of a firmware or patch has begun on the wire), `settled` (what is retained has
 *   come), `result`, and `our …`, what a job tells of a device: a state before the end, or a phase; or of itself: `our stopped`
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
  ...ourPhases,
] as const;
export type Happening = (typeof happenings)[number];

/** What befalls the home. `until` counts from then. */
export type Fault =
  | { readonly what: 'broker killed'; readonly until: Moment }
  /** It is back before our client tries again, and after the devices. */
  | { readonly what: 'broker blinked'; readonly milliseconds: number }
  | { readonly what: 'broker frozen'; readonly until: Moment }
  /** Our own connection. */
  | { readonly what: 'cut' }
  | { readonly what: 'truncated'; readonly bytes: number }
  | { readonly what: 'stalled'; readonly until: Moment }
  | { readonly what: 'muted' }
  | { readonly what: 'slow'; readonly bytesPerSecond: number; readonly until: Moment }
  /** Connections of all devices. */
  | { readonly what: 'devices cut' }
  | { readonly what: 'devices stalled'; readonly until: Moment }
  | { readonly what: 'dropped' | 'crashed' | 'asleep' | 'idle'; readonly device: number }
  | { readonly what: 'off'; readonly device: number; readonly until: Moment }
  /** Another device with the same id takes its place. */
  | { readonly what: 'replaced'; readonly device: number }
  /** A second updater at work. */
  | { readonly what: 'other firmware' | 'other patch'; readonly device: number }
  /** The wall clock jumps, in ms. */
  | { readonly what: 'clock'; readonly by: number }
  /** Our own process: its nodes are made again; it ends in order and is started; it is killed and started. */
  | { readonly what: 'redeployed' | 'restarted' | 'killed' }
  /** Another one works on the same user directory. Only where there is a Node-RED. */
  | { readonly what: 'second process'; readonly until: Moment }
  /** What people do meanwhile. */
  | { readonly what: 'paused'; readonly until: Moment }
  | { readonly what: 'canceled' | 'resumed' | 'retried' | 'joined' }
  | { readonly what: 'canceled one' | 'retried one'; readonly device: number };

export interface Blow {
  readonly at: Moment;
  readonly fault: Fault;
}

/** How a device is made. */
export interface DevicePlan {
  readonly implementation: 'esp8266' | 'esp32';
  readonly core: 2 | 3;
  readonly homie: 2 | 3;
  readonly segment: 536 | 1460;
  /** Seconds for which it has been up. */
  readonly uptime: number;
  /** ms. */
  readonly bootDelay: number;
  /** ms for each 4 KiB. */
  readonly flashDelay: number;
  /** It sends none. */
  readonly noStatistics?: true;
  /** Its statistics come so many ms after `ready`, or the first of each connection get lost. */
  readonly statistics?: { readonly delay: number } | 'first lost';
  /** `$mac` is empty. */
  readonly unknownMac?: true;
  /** Its file holds a login that it does not use, and has about so many bytes. */
  readonly stale?: { readonly secret: number; readonly bytes: number };
  readonly sleep?: { readonly awake: number; readonly asleep: number };
  readonly otaDisabled?: true;
  /** It is switched on only then. */
  readonly absentUntil?: Moment;
  readonly mishap?:
    | { readonly what: 'drop' | 'hang' | 'crash' | 'bad flash'; readonly at: number; readonly times: number }
    | { readonly what: 'loses'; readonly statuses: readonly string[] }
    | { readonly what: 'never back' | 'comes back with another' | 'comes back as before' | 'silent reboot' | 'deaf' }
    /** `never idle`: whatever it has flashed waits indefinitely. `200 lost`: together with the connection. */
    | { readonly what: 'never idle' | '200 lost' | '200 lost, never idle' }
    /** `slow`: its MQTT client gives up in the middle. `silent`: it says nothing of images that come soon after `ready`. */
    | { readonly what: 'slow' | 'silent' }
    | { readonly what: 'busy'; readonly until: Moment };
  /** What lies on the broker under its topics before anybody is there. */
  readonly retained: readonly { readonly topic: string; readonly payload: string }[];
}

/** What people ask for. */
export interface ErrandPlan {
  readonly what: 'update' | 'set';
  /** When; at once when it is left out. */
  readonly at?: Moment;
  /** Indices of devices that are named by their full ids, all that run the firmware, or all by a pattern. */
  readonly devices: readonly number[] | 'all' | 'pattern';
  /** Which of the newer firmwares, or which patch. */
  readonly version: number;
  /** Which of the broker nodes. */
  readonly via: number;
  /** Indices of devices that the message excludes. */
  readonly exclude: readonly number[];
  readonly attempts: number;
  readonly allowIncompatible?: true;
  readonly encoding: 'binary' | 'base64';
  readonly concurrency: number;
  readonly canary: number;
  readonly maxFailures: number;
  readonly order: 'given' | 'id';
}

/** All that is to happen in a run, as plain data. */
export interface Plan {
  readonly seed: number;
  readonly run: number;
  readonly host: 'library' | 'node-red';
  readonly broker: { readonly persistence: boolean };
  readonly protocolVersion: 4 | 5;
  /** Broker nodes of ours: the first names 127.0.0.1, the second localhost. */
  readonly nodes: 1 | 2;
  /** Of our clients: ms before they reconnect. */
  readonly reconnect: { readonly min: number; readonly max: number };
  /** Bytes of the images. */
  readonly size: number;
  readonly devices: readonly DevicePlan[];
  readonly errands: readonly ErrandPlan[];
  readonly blows: readonly Blow[];
}

/** The same for the same plans. */
export function digest(plans: readonly Plan[]): string {
  return createHash('sha256').update(JSON.stringify(plans)).digest('hex').slice(0, 16);
}

/** A plan for people: devices, what is asked for, and faults in order. */
export function script(plan: Plan): string {
  const { seed, run, host, broker, protocolVersion, nodes, reconnect, size, devices, errands, blows } = plan;
  const retained = broker.persistence ? 'with' : 'without';
  return [
    `seed ${seed} run ${run}: ${host}, mosquitto ${retained} persistence, MQTT ${protocolVersion}, images of ${size} bytes, ${nodes} broker nodes, reconnect ${reconnect.min} to ${reconnect.max} ms`,
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
