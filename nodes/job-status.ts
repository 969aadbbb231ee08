import type { NodeStatus } from 'node-red';
import type { ErrorCode } from '../src/errors';
import type { ConnectionStatus } from '../src/mqtt/connection';
import {
  isFinal,
  isPerhapsMisspelled,
  setsUnknownKey,
  type ConfigReport,
  type Phase,
  type Reason,
  type State,
} from '../src/homie/update';
import type { BrokerLink } from './broker-node';

/** Of an update, what its status needs. */
export interface Shown {
  readonly state: State;
  readonly phase?: Phase;
  readonly progress: number;
  readonly reason?: Reason;
  readonly hint?: string;
  readonly error?: { readonly code: ErrorCode };
  readonly config?: Pick<ConfigReport, 'warnings'>;
}

/** Why the jobs of a node start no more devices. */
export type Halted = 'paused' | 'stopped';

/** The longest text that fits below a node. */
const MAX_TEXT = 19;

/**
 * The status of a node without a job: that of its connection.
 *
 * @param type of the node: texts of its own are keys in its locale file
 */
export function connectionStatus(type: string, link: BrokerLink): NodeStatus {
  return 'error' in link ? errorStatus(link.error.code) : liveStatus(type, link.broker.status);
}

function liveStatus(type: string, status: ConnectionStatus): NodeStatus {
  switch (status.state) {
    case 'connecting':
      return { fill: 'yellow', shape: 'ring', text: 'node-red:common.status.connecting' };
    case 'connected':
      if (status.refusal !== undefined) return errorStatus(status.refusal.code);
      if (status.receiving) return { fill: 'yellow', shape: 'ring', text: `${type}.status.receiving` };
      return { fill: 'green', shape: 'ring', text: 'node-red:common.status.connected' };
    case 'disconnected':
      return errorStatus(status.error.code);
  }
}

/** Something that the user has to put right. */
export function errorStatus(code: ErrorCode): NodeStatus {
  return { fill: 'red', shape: 'ring', text: inWords(code) };
}

/**
 * The status of a node with jobs: of the one device that they have, or of all together.
 *
 * @param type of the node: texts that are no numbers are keys in its locale file
 * @param halted why nothing more is started
 */
export function jobStatus(type: string, devices: readonly Shown[], halted?: Halted): NodeStatus {
  if (halted !== undefined && !devices.some(({ state }) => state === 'running')) {
    return { fill: halted === 'stopped' ? 'red' : 'yellow', shape: 'ring', text: `${type}.status.${halted}` };
  }
  const [only] = devices;
  return devices.length === 1 && only !== undefined ? deviceStatus(type, only) : fleetStatus(devices);
}

function deviceStatus(type: string, shown: Shown): NodeStatus {
  const { state, phase, progress, reason, hint, error } = shown;
  const key = (name: string): string => `${type}.status.${name}`;
  if (isIncomplete(shown)) return { fill: 'yellow', shape: 'dot', text: key('unknown_key') };
  switch (state) {
    case 'queued':
    case 'canceled':
      return { fill: 'grey', shape: 'ring', text: key(reason ?? state) };
    case 'waiting':
      // A suggestion names a device, which no text of a locale file can.
      if (hint !== undefined && isPerhapsMisspelled(shown))
        return { fill: 'yellow', shape: 'ring', text: `${hint.charAt(0).toLowerCase()}${hint.slice(1)}` };
      return { fill: 'yellow', shape: 'ring', text: key(reason ?? state) };
    case 'running':
      return { fill: 'blue', shape: 'dot', text: phase === 'flashing' ? percent(progress) : key(phase ?? state) };
    case 'succeeded':
      return { fill: 'green', shape: 'dot', text: key(state) };
    case 'skipped':
      return {
        fill: reason === 'up_to_date' || reason === 'no_change' ? 'green' : 'grey',
        shape: 'ring',
        text: key(reason ?? state),
      };
    case 'failed':
    case 'timed_out':
    case 'rejected':
      return { fill: 'red', shape: 'dot', text: error === undefined ? key(state) : inWords(error.code) };
  }
}

function fleetStatus(devices: readonly Shown[]): NodeStatus {
  const ended = devices.filter(({ state }) => isFinal(state));
  const failed = ended.filter(({ error }) => error !== undefined).length;
  const canceled = ended.filter(({ state }) => state === 'canceled').length;
  const unknown = ended.filter(isIncomplete).length;
  if (ended.length < devices.length) {
    const flashing = devices.find(({ state, phase }) => state === 'running' && phase === 'flashing');
    const done = `${ended.length}/${devices.length}`;
    return {
      fill: devices.some(({ state }) => state === 'running') ? 'blue' : 'yellow',
      shape: 'dot',
      text: join(done, failed > 0 && `✗${failed}`, flashing && percent(flashing.progress)),
    };
  }
  return {
    fill: failed > 0 ? 'red' : unknown > 0 ? 'yellow' : 'green',
    shape: 'dot',
    text: join(
      `✓${ended.length - failed - canceled}`,
      failed > 0 && `✗${failed}`,
      canceled > 0 && `–${canceled}`,
      unknown > 0 && `⚠${unknown}`,
    ),
  };
}

/** Whether a device has taken a patch, or would, of which the firmware ignores a part. */
function isIncomplete({ state, config }: Shown): boolean {
  return (state === 'succeeded' || state === 'skipped') && config !== undefined && setsUnknownKey(config);
}

function join(...parts: (string | false | undefined)[]): string {
  return parts.filter(Boolean).join(' ');
}

function percent(progress: number): string {
  return `${Math.floor(progress)} %`;
}

function inWords(code: ErrorCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return words.length > MAX_TEXT ? `${words.slice(0, MAX_TEXT - 1)}…` : words;
}
