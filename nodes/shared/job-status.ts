/**
 * Returns statuses of nodes. Their texts are English, as a status node receives them. The editor looks each text up in
 * the catalog of the node, where the build adds a translation: a text must not contain `:` or `.`.
 */
import type { NodeStatus } from 'node-red';
import type { ErrorCode } from '../../src/errors';
import type { ConnectionStatus } from '../../src/mqtt/connection';
import { errors, words } from '../../src/texts/en-US.json';
import { isPerhapsMisspelled, setsUnknownKey, wordOf } from '../../src/update/sentence';
import {
  isFinal,
  type ConfigReport,
  type FirmwareName,
  type Phase,
  type Reason,
  type State,
} from '../../src/update/update';
import type { BrokerLink } from './broker-node';

/** The properties of an update that its status needs. */
export interface Shown {
  readonly state: State;
  readonly phase?: Phase;
  readonly progress: number;
  readonly reason?: Reason;
  readonly hint?: string;
  readonly error?: { readonly code: ErrorCode };
  readonly config?: Pick<ConfigReport, 'warnings'>;
  /** Undefined for a configuration change. */
  readonly to?: FirmwareName;
}

/** Why the jobs of a node start no more devices. */
export type Halted = 'paused' | 'stopped';

/** Returns the status of a node without a job: that of its connection. */
export function connectionStatus(link: BrokerLink): NodeStatus {
  return 'error' in link ? errorStatus(link.error.code) : liveStatus(link.broker.status);
}

function liveStatus(status: ConnectionStatus): NodeStatus {
  switch (status.state) {
    case 'connecting':
      return { fill: 'yellow', shape: 'ring', text: words.connecting };
    case 'connected':
      if (status.refusal !== undefined) return errorStatus(status.refusal.code);
      if (status.receiving) return { fill: 'yellow', shape: 'ring', text: words.receiving };
      return { fill: 'green', shape: 'ring', text: words.connected };
    case 'disconnected':
      return errorStatus(status.error.code);
  }
}

/** Returns the status for an error that the user has to fix. */
export function errorStatus(code: ErrorCode): NodeStatus {
  return { fill: 'red', shape: 'ring', text: errors[code].status };
}

/**
 * Returns the status of a node with jobs: that of a single device, or of all devices together.
 *
 * @param halted why no more devices start
 */
export function jobStatus(devices: readonly Shown[], halted?: Halted): NodeStatus {
  if (halted !== undefined && !devices.some(({ state }) => state === 'running')) {
    return { fill: halted === 'stopped' ? 'red' : 'yellow', shape: 'ring', text: words[halted] };
  }
  const [only] = devices;
  return devices.length === 1 && only !== undefined ? deviceStatus(only) : fleetStatus(devices);
}

/** Color and shape of the status of a device. */
const looks: Readonly<Record<State, NodeStatus>> = {
  queued: { fill: 'grey', shape: 'ring' },
  waiting: { fill: 'yellow', shape: 'ring' },
  running: { fill: 'blue', shape: 'dot' },
  succeeded: { fill: 'green', shape: 'dot' },
  skipped: { fill: 'grey', shape: 'ring' },
  failed: { fill: 'red', shape: 'dot' },
  timed_out: { fill: 'red', shape: 'dot' },
  rejected: { fill: 'red', shape: 'dot' },
  canceled: { fill: 'grey', shape: 'ring' },
};

function deviceStatus(shown: Shown): NodeStatus {
  const { state, reason } = shown;
  if (isIncomplete(shown)) return { fill: 'yellow', shape: 'dot', text: words.unknown_key };
  const text = ownText(shown) ?? words[wordOf(shown)];
  const isAsWanted = reason === 'up_to_date' || reason === 'no_change';
  return { ...looks[state], ...(isAsWanted && { fill: 'green' }), text };
}

/** Returns a text that is not one of the words: a percentage, a hint with the id of a device, or an error. */
function ownText(shown: Shown): string | undefined {
  const { state, phase, progress, hint, error } = shown;
  if (state === 'running' && phase === 'flashing') return percent(progress);
  if (state === 'waiting' && hint !== undefined && isPerhapsMisspelled(shown)) {
    return `${hint.charAt(0).toLowerCase()}${hint.slice(1)}`;
  }
  return error && errors[error.code].status;
}

function fleetStatus(devices: readonly Shown[]): NodeStatus {
  const ended = devices.filter(({ state }) => isFinal(state));
  const failed = ended.filter(({ error }) => error !== undefined).length;
  if (ended.length < devices.length) {
    const flashing = devices.find(({ state, phase }) => state === 'running' && phase === 'flashing');
    return {
      fill: devices.some(({ state }) => state === 'running') ? 'blue' : 'yellow',
      shape: 'dot',
      text: join(`${ended.length}/${devices.length}`, count('✗', failed), flashing && percent(flashing.progress)),
    };
  }
  const done = ended.filter(isDone).length;
  const unknown = ended.filter(isIncomplete).length;
  return {
    fill: failed > 0 ? 'red' : unknown > 0 ? 'yellow' : ended.some(isOutstanding) ? 'grey' : 'green',
    shape: 'dot',
    text: join(`✓${done}`, count('✗', failed), count('–', ended.length - failed - done), count('⚠', unknown)),
  };
}

/** Whether a device is as it should be: updated, changed, already up to date, or excluded. */
function isDone(shown: Shown): boolean {
  const { state, reason, error } = shown;
  if (error !== undefined) return false;
  if (isIncomplete(shown)) return true;
  return state === 'succeeded' || (state === 'skipped' && reason !== undefined && doneReasons.has(reason));
}

const doneReasons: ReadonlySet<Reason> = new Set<Reason>(['up_to_date', 'no_change', 'excluded']);

/** Whether a device did not get the update or change, because the user canceled it or it needs a retry. */
function isOutstanding({ state, reason }: Shown): boolean {
  return state === 'canceled' || (state === 'skipped' && (reason === 'held' || reason === 'stopped'));
}

function count(sign: string, number: number): string | false {
  return number > 0 && `${sign}${number}`;
}

/** Whether a device has taken, or would take, a patch of which the firmware ignores a part. */
function isIncomplete({ state, config }: Shown): boolean {
  return (state === 'succeeded' || state === 'skipped') && config !== undefined && setsUnknownKey(config);
}

function join(...parts: (string | false | undefined)[]): string {
  return parts.filter(Boolean).join(' ');
}

function percent(progress: number): string {
  return `${Math.floor(progress)} %`;
}
