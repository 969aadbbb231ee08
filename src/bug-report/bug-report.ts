/** Writes a bug report, in Markdown for an issue on GitHub. */
import { MASK } from '../config/json';
import type { Fact } from '../homie/device';
import { plainText } from '../plain-text';
import type { Remembered } from '../rollout/store/history-record';
import type { FirmwareName } from '../update/update';
import type { BrokerFacts, DeviceFacts, JobFacts, ReportFacts } from './facts';
import { maskError, maskMacs, maskPath, type Reported } from './masking';

/** Maximum number of devices of a job. Those that failed come first. */
const MAX_DEVICES = 10;

/** Maximum length of a value, in characters. Issues on GitHub have a limit, too. */
const LONGEST = 500;

/** A line of the report: its name, its values, and what belongs to it. Lines without a value are left out. */
interface Line {
  readonly name: string;
  readonly values: readonly (string | number | false | undefined)[];
  readonly below?: readonly Line[];
}

/**
 * Returns a bug report from plain data. It contains no address of a broker or device, no user name or password, no value
 * of a configuration or patch, and no path of a file.
 */
export function writeBugReport({ at, versions, broker, devices, jobs, history }: ReportFacts): string {
  const sections: readonly (readonly [title: string, lines: readonly Line[]])[] = [
    ['Versions', Object.entries(versions).map(([name, version]) => line(name, version))],
    ['Broker', brokerLines(broker)],
    ...devices.map((device) => [`Device ${code(device.id)}`, deviceLines(device)] as const),
    ...jobs.map((job) => [`Job ${code(short(job.id))}`, jobLines(job, new Set(devices.map(({ id }) => id)))] as const),
    ['History', history.map((result) => resultLine(result, true))],
  ];
  const written = sections.flatMap(([title, lines]) => {
    const all = lines.flatMap((each) => linesOf(each, ''));
    return all.length === 0 ? [] : [`#### ${title}`, all.join('\n')];
  });
  const head = `### Report of node-red-homie-ota\n\n${at}. ${MASK} stands for what is left out, such as addresses and values.`;
  return `${maskMacs([head, ...written].join('\n\n'))}\n`;
}

function line(name: string, ...values: Line['values']): Line {
  return { name, values };
}

function linesOf({ name, values, below = [] }: Line, indent: string): string[] {
  const given = values.filter((value) => value !== undefined && value !== false && value !== '');
  if (given.length === 0) return [];
  const own = `${indent}- ${name}: ${given.map((value) => code(String(value))).join(', ')}`;
  return [own, ...below.flatMap((each) => linesOf(each, `${indent}  `))];
}

/** Returns a text as code, in which nothing is markup, a link or a mention: devices choose their names. */
function code(text: string): string {
  return `\`${plainText(text, LONGEST).replaceAll('`', "'")}\``;
}

/** An id of a job is only for comparison. */
function short(id: string): string {
  return id.slice(0, 8);
}

function brokerLines({ address, status, lastFailure, baseTopic, isSettled, counts, isFull }: BrokerFacts): Line[] {
  const { scheme, port } = address;
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const isReceiving = status.state === 'connected' && !isSettled;
  return [
    line('Address', `${scheme}://${MASK}${port === undefined ? '' : `:${port}`}`),
    line('State', status.state, isReceiving && 'retained messages are still arriving'),
    line('TLS', yesOrNo(scheme === 'mqtts' || scheme === 'wss')),
    line('WebSocket', yesOrNo(scheme === 'ws' || scheme === 'wss')),
    ...connectionLines(status),
    ...(lastFailure ? [errorLine('Last failed connection', lastFailure.error, time(lastFailure.at))] : []),
    line('Base topic', baseTopic),
    line('Devices', total, ...countsOf(counts), isFull && 'limit reached'),
  ];
}

function connectionLines(status: BrokerFacts['status']): Line[] {
  if (status.state !== 'connected') return [];
  const { protocolVersion, maximumPacketSize = 'not stated', lacks = [], refusal } = status;
  return [
    line('MQTT version', protocolVersion === 5 ? '5' : '3.1.1'),
    line('Maximum packet size of the broker', maximumPacketSize),
    line('Not supported by the broker', ...lacks),
    ...(refusal ? [errorLine('Refused subscriptions', refusal)] : []),
  ];
}

function deviceLines(device: DeviceFacts): Line[] {
  const { state, published, firmware, holder, pending, sleeps, seen = 'not since Node-RED connected' } = device;
  const { homie, implementation, implementationVersion, otaStatus, signal, uptime, interval } = published;
  return [
    line('State', state?.value ?? 'unknown', arrival(state), sleeps && 'sleeps'),
    line('Last seen', seen),
    line('Firmware', ...namesOf(firmware)),
    line('Implementation', implementation?.value, implementationVersion?.value),
    line('Homie convention', homie?.value),
    line('OTA enabled', device.otaEnabled === undefined ? 'unknown' : yesOrNo(device.otaEnabled)),
    line('Last OTA status', otaStatus?.value, arrival(otaStatus)),
    line('Uptime', inUnit(uptime, 's'), arrival(uptime)),
    line('Statistics interval', inUnit(interval, 's')),
    line('Wi-Fi signal', inUnit(signal, '%')),
    line('In a job', holder && short(holder)),
    line('May still have to boot', pending),
    line('Excluded from updates', yesOrNo(device.isExcluded)),
    line('Can be rolled back', yesOrNo(device.canRollBack)),
    ...imageLines(device),
  ];
}

function imageLines({ offer, images }: DeviceFacts): Line[] {
  const known = images.map(({ md5, transfers, had, held, replaced, wasRolledBack }) =>
    line(
      'Known image',
      `MD5 ${md5}`,
      `transfers: ${transfers}`,
      had && 'has run',
      held && `held back: ${held}`,
      replaced && 'replaced',
      wasRolledBack && 'held back: rolled back',
    ),
  );
  if (offer === undefined) return known;
  return [line('On offer', ...namesOf(offer), offer.state, offer.isStopped && 'stopped by failures'), ...known];
}

/** Returns how a fact arrived. */
function arrival(fact: Fact<unknown> | undefined): string | undefined {
  return fact && (fact.live ? 'live' : 'retained');
}

function inUnit(fact: Fact<unknown> | undefined, unit: string): string | undefined {
  return fact && `${String(fact.value)} ${unit}`;
}

function yesOrNo(is: boolean): string {
  return is ? 'yes' : 'no';
}

function countsOf(counts: Readonly<Record<string, number | undefined>>): string[] {
  return Object.entries(counts).map(([state, count]) => `${count} ${state}`);
}

function jobLines({ change, to, paths, startedAt, summary, settings }: JobFacts, asked: ReadonlySet<string>): Line[] {
  const { state, stage, counts, duration, error, devices } = summary;
  const rank = ({ device, error: failure }: Remembered): number =>
    asked.has(device) ? 0 : failure === undefined ? 2 : 1;
  const shown = [...devices].sort((a, b) => rank(a) - rank(b)).slice(0, MAX_DEVICES);
  return [
    line('Change', change, ...(to ? namesOf(to) : [])),
    line('Paths', ...new Set(paths?.map(maskPath))),
    line('State', state, stage),
    ...(error ? [errorLine('Stopped by', error)] : []),
    line('Started', startedAt),
    line('Duration', seconds(duration)),
    line('Settings that are not the default (times in ms)', ...(settings?.length === 0 ? ['none'] : (settings ?? []))),
    line('Devices', devices.length, ...countsOf(counts)),
    ...shown.map((result) => resultLine(result, false)),
    line('More devices', devices.length > shown.length && devices.length - shown.length),
  ];
}

/** @param isAlone whether the line must say what was changed, and in which job */
function resultLine(result: Remembered, isAlone: boolean): Line {
  const { job, device, state, phase, reason, attempt, startedAt, duration, from, to, reboot, late, error } = result;
  const names = to === undefined ? ['configuration'] : namesOf(to);
  return {
    name: code(device),
    values: [state, phase, reason, late && 'late', reboot !== undefined && `reboot ${reboot}`],
    below: [
      line('Job', isAlone && short(job)),
      line('Change', ...(isAlone ? names : [])),
      line('Before', ...namesOf(from)),
      line('Started', startedAt, `duration: ${seconds(duration)}`, `transfers: ${attempt}`),
      ...(error ? [errorLine('Error', error, error.phase, error.status)] : []),
    ],
  };
}

/** @param more what belongs to the code of the error */
function errorLine(name: string, error: Reported, ...more: Line['values']): Line {
  const [message, hint] = maskError(error);
  return { name, values: [error.code, ...more], below: [line('Message', message), line('Hint', hint)] };
}

function namesOf({ name, version, checksum, size }: FirmwareName): string[] {
  return [
    ...[name, version].flatMap((each) => each ?? []),
    ...(checksum === undefined ? [] : [`MD5 ${checksum}`]),
    ...(size === undefined ? [] : [`${size} bytes`]),
  ];
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
