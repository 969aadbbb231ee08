import { HomieError } from '../errors';
import { SECRET_NAMES } from './secrets';

/** How a configuration is changed. All times in ms. */
export interface ConfigSettings {
  /** Send also a patch that changes nothing. */
  readonly force: boolean;
  /** Let through what could make the device unreachable. */
  readonly allowRisky: boolean;
  /** Send a patch that is too much at once as several, with a reboot after each. */
  readonly split: boolean;
  /** Clear the retained topics that a device leaves behind when it moves to another id or base topic. */
  readonly clearOld: boolean;
  /** Bytes of `wifi.password`, `mqtt.username` and `mqtt.password` together, as they stand in the file; if known. */
  readonly secretBytes: number | undefined;
  /** What the names of secret settings contain. */
  readonly secretNames: readonly string[];
  /** Bytes of a TCP segment that the devices were built for. */
  readonly segment: 536 | 1460;
  /** How long a device that is offline, or was never seen, is waited for. 0: only if it is there now. */
  readonly expires: number;
  /** Until the broker has acknowledged the patch. */
  readonly sending: number;
  /** From there to the empty message by which the device says that it has received it. */
  readonly received: number;
  /** From there until the device connects anew. */
  readonly reboot: number;
  /** From there until it is ready. */
  readonly ready: number;
}

export const defaultSettings: ConfigSettings = {
  force: false,
  allowRisky: false,
  split: false,
  clearOld: false,
  secretBytes: undefined,
  secretNames: SECRET_NAMES,
  segment: 536,
  expires: 3_600_000,
  sending: 30_000,
  received: 30_000,
  reboot: 90_000,
  ready: 60_000,
};

const switches = ['force', 'allowRisky', 'split', 'clearOld'] as const;
const deadlines = ['expires', 'sending', 'received', 'reboot', 'ready'] as const;

/** The properties that `readSettings` knows, which are those of the node and of messages. */
export const settingNames = [...switches, 'secretBytes', 'secretNames', 'segment', ...deadlines] as const;

/**
 * Overlays the known properties of `values` on `base`. What is undefined, null or empty text leaves `base` as it is.
 *
 * @param values as a user gives them: booleans also as text, numbers also as text, deadlines in seconds, names as an
 * array or as text with commas
 * @throws {HomieError} INVALID_SETTING, which names the property
 */
export function readSettings(base: ConfigSettings, values: Readonly<Record<string, unknown>>): ConfigSettings {
  const result: { -readonly [K in keyof ConfigSettings]: ConfigSettings[K] } = { ...base };
  const given = (name: string): unknown => (values[name] === null || values[name] === '' ? undefined : values[name]);

  for (const name of switches) {
    const value = given(name);
    if (value !== undefined) result[name] = readBoolean(name, value);
  }
  for (const name of deadlines) {
    const value = given(name);
    if (value !== undefined) result[name] = readNumber(name, value, 'a number of seconds, 0 or more') * 1000;
  }
  const secretBytes = given('secretBytes');
  if (secretBytes !== undefined) {
    result.secretBytes = readNumber('secretBytes', secretBytes, 'a number of bytes, 0 or more');
  }
  const secretNames = given('secretNames');
  if (secretNames !== undefined) result.secretNames = readNames('secretNames', secretNames);
  const segment = given('segment');
  if (segment !== undefined) {
    const bytes = readNumber('segment', segment, '536 or 1460');
    if (bytes !== 536 && bytes !== 1460) throw invalid('segment', '536 or 1460');
    result.segment = bytes;
  }
  return result;
}

function readBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 'true') return true;
  if (value === 'false') return false;
  throw invalid(name, 'true or false');
}

function readNumber(name: string, value: unknown, expected: string): number {
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) throw invalid(name, expected);
  return number;
}

function readNames(name: string, value: unknown): string[] {
  const names: unknown = typeof value === 'string' ? value.split(',') : value;
  if (!Array.isArray(names) || !names.every((each) => typeof each === 'string')) {
    throw invalid(name, 'names with commas between them');
  }
  return names.map((each) => each.trim()).filter((each) => each !== '');
}

/** What was given is not repeated: a secret may stand in the wrong place. */
function invalid(name: string, expected: string): HomieError {
  return new HomieError('INVALID_SETTING', `${name} must be ${expected}.`, { hint: `Set ${name} to ${expected}.` });
}
