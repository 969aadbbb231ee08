/** Puts updates into words: a sentence, and a word or two for a status. */
import { plainText } from '../plain-text';
import { words } from '../texts/en-US.json';
import { nameAndVersion } from './firmware-name';
import type { ConfigReport, FirmwareName, Phase, Reason, State, Update } from './update';

/** How many unknown keys or devices a sentence names at most. */
const MAX_NAMED = 3;

const UNKNOWN_KEY = 'UNKNOWN_KEY';

/** The most important fact about an update. */
export type Word = State | Phase | Reason | 'changed';

/** Returns the most important fact about an update: its phase while it runs, otherwise its reason, or its state. */
export function wordOf({ state, phase, reason, to }: Pick<Update, 'state' | 'phase' | 'reason' | 'to'>): Word {
  if (state === 'succeeded' && to === undefined) return 'changed';
  return (state === 'running' ? phase : reason) ?? state;
}

/** The clause for a word that is not clear enough in a sentence. */
const clauses: Partial<Record<Word, string>> = {
  offline: 'waiting, the device is offline',
  never_seen: 'waiting',
  busy: 'waiting, the device is busy',
  window: 'waiting, the time window is closed',
  canary: 'waiting for the canary devices',
  paused: 'waiting, the job is paused',
  stopped: 'waiting, the job was stopped by failures',
  flashing: 'writing',
  accepted: 'accepted by the device',
  received: 'received by the device',
  silent: 'no response from the device',
  older: 'skipped, a newer version is installed',
  ota_disabled: 'skipped, OTA is disabled',
  held: 'held back',
  excluded: 'skipped, the device is excluded',
  withdrawn: 'skipped',
  superseded: 'canceled, superseded by a newer job',
  already_sent: 'canceled',
};

/** Returns a sentence that says all that matters about an update, such as the payload of a progress message. */
export function sentenceOf(update: Update): string {
  const { device, hint, error, late } = update;
  const said = `${device}: ${late === true ? 'later ' : ''}${clauseOf(update)}`;
  // The message of an error is already a sentence, and its hint is a property of its own.
  if (error !== undefined) return `${said}: ${error.message}`;
  return hint === undefined ? `${said}.` : `${said}. ${hint}`;
}

function clauseOf(update: Update): string {
  const { state, from, to, reason, hint } = update;
  if (state === 'running') return runningClause(update);
  if (state === 'succeeded') return succeededClause(update);
  if (reason === 'up_to_date') return `up to date, runs ${named(to ?? from)}`;
  // The hint says why.
  if (state === 'waiting' && reason !== undefined && hint !== undefined) return 'waiting';
  // An earlier rollout was stopped, not this one.
  if (state === 'skipped' && reason === 'stopped') return 'skipped';
  return clauseFor(update);
}

function succeededClause({ from, to, reboot }: Update): string {
  const done = to === undefined ? 'configuration changed' : `updated ${fromTo(from, to)}`;
  return reboot === 'unproven' ? `${done}, but no reboot was seen` : done;
}

function runningClause(update: Update): string {
  const { to, phase, progress, remaining, attempt } = update;
  const parts = [to === undefined ? 'changing the configuration' : `updating to ${named(to)}`];
  const isWriting = phase === 'flashing' || phase === 'silent';
  if (isWriting && to !== undefined) parts.push(`${Math.floor(progress)} %`);
  if (phase === 'flashing' && remaining !== undefined) parts.push(`about ${remaining} s left`);
  if (phase !== undefined && phase !== 'flashing') parts.push(clauseFor(update));
  if (attempt > 1) parts.push(`attempt ${attempt}`);
  return parts.join(', ');
}

function clauseFor(update: Update): string {
  const word = wordOf(update);
  return clauses[word] ?? words[word];
}

/** Returns the clause for a change of firmware. */
export function fromTo(from: FirmwareName, to: FirmwareName): string {
  if (from.version === undefined || to.version === undefined) return `to ${named(to)}`;
  return `from ${named(from)} to ${from.name === to.name ? plainText(to.version) : named(to)}`;
}

/** Returns a firmware in words: its name and version, as far as they are known, or its checksum. */
export function named({ name, version, checksum }: FirmwareName): string {
  return plainText(nameAndVersion({ name, version })) || `the image ${checksum ?? ''}`.trim();
}

/** Returns one sentence about the devices of a job, for a notification. */
export function jobText(devices: readonly Update[]): string {
  const [only] = devices;
  if (only === undefined) return 'The job has no devices yet.';
  if (devices.length === 1) return sentenceOf(only);
  const ignored = ignoredKeys(devices.flatMap(({ error, config }) => (error === undefined && config ? [config] : [])));
  const unseen = devices.filter(isPerhapsMisspelled).slice(0, MAX_NAMED);
  const unknown = unseen.map(({ device, hint = '' }) => ` ${device}: ${hint}`).join('');
  const stop = devices.find(({ state, reason }) => state === 'skipped' && reason === 'stopped')?.hint;
  const hints = `${stop === undefined ? '' : ` ${stop}`}${unknown}${ignored}`;
  return `${devices.length} devices: ${groups(devices).join(', ')}.${hints}`;
}

/** Returns how many devices are in each state, and which. Groups waiting devices by what they wait for. */
function groups(devices: readonly Update[]): string[] {
  const ids = new Map<string, string[]>();
  for (const update of devices) {
    const word = groupOf(update);
    const group = ids.get(word);
    if (group === undefined) ids.set(word, [update.device]);
    else group.push(update.device);
  }
  return Object.entries(words).flatMap(([word, text]) => {
    const group = ids.get(word) ?? [];
    if (group.length === 0) return [];
    const shown = group.length > 5 ? `${group.slice(0, 5).join(', ')} …` : group.join(', ');
    return [`${group.length} ${text} (${shown})`];
  });
}

function groupOf(update: Update): Word {
  const { state } = update;
  return state === 'waiting' || state === 'succeeded' ? wordOf(update) : state;
}

/** Returns whether an update waits for a device that was never seen, while a known device has a similar id. */
export function isPerhapsMisspelled({ reason, hint }: Pick<Update, 'reason' | 'hint'>): boolean {
  return reason === 'never_seen' && hint?.endsWith('?') === true;
}

/** Returns whether a patch sets a key that the firmware does not know: the device accepts it, but it has no effect. */
export function setsUnknownKey({ warnings }: Pick<ConfigReport, 'warnings'>): boolean {
  return warnings.some(({ code }) => code === UNKNOWN_KEY);
}

/** Returns a text about the keys that the firmware does not know, each named once, to append to a sentence. */
export function ignoredKeys(reports: readonly Pick<ConfigReport, 'warnings'>[]): string {
  const unknown = reports.flatMap(({ warnings }) => warnings.filter(({ code }) => code === UNKNOWN_KEY));
  const messages = [...new Map(unknown.map(({ path, message }) => [path, message])).values()];
  const more = messages.length - MAX_NAMED;
  const shown = [...messages.slice(0, MAX_NAMED), ...(more > 0 ? [`(And ${more} more unknown keys.)`] : [])];
  return shown.map((message) => ` ${message}`).join('');
}
