import { HomieError } from '../errors';

/** How an update is done. All times in ms. */
export interface OtaSettings {
  /** Install the image again where it already runs. */
  readonly force: boolean;
  /** Let pass what does not fit the device: another chip, another firmware name, no Homie signature. */
  readonly allowIncompatible: boolean;
  /** Let pass an image with a lower version than the one that runs. */
  readonly allowDowngrade: boolean;
  /** How the image goes over the wire. `base64` is best effort. */
  readonly encoding: 'binary' | 'base64';
  /** Restart a device whose updater this job found stuck, by an empty configuration patch. */
  readonly recoverReboot: boolean;
  /** Transfers in all. */
  readonly attempts: number;
  /** How long a device that is offline, or was never seen, is waited for. 0: only if it is there now. */
  readonly expires: number;
  /** Until the broker has acknowledged the image; 1 s for each 20 kB of the image is added. */
  readonly sending: number;
  /** From there to the first sign of the device. */
  readonly accepted: number;
  /** Since the last sign of life during the transfer. */
  readonly stall: number;
  /** From the 200, or what stands for it, until the device connects anew. */
  readonly reboot: number;
  /** From there until it is ready. */
  readonly ready: number;
}

export const defaultSettings: OtaSettings = {
  force: false,
  allowIncompatible: false,
  allowDowngrade: false,
  encoding: 'binary',
  recoverReboot: true,
  attempts: 2,
  expires: 3_600_000,
  sending: 120_000,
  accepted: 30_000,
  stall: 120_000,
  reboot: 180_000,
  ready: 60_000,
};

const switches = ['force', 'allowIncompatible', 'allowDowngrade', 'recoverReboot'] as const;
const deadlines = ['expires', 'sending', 'accepted', 'stall', 'reboot', 'ready'] as const;

/** The properties that `readSettings` knows, which are those of the node and of messages. */
export const settingNames = [...switches, 'encoding', 'attempts', ...deadlines] as const;

/**
 * Overlays the known properties of `values` on `base`. What is undefined, null or empty text leaves `base` as it is.
 *
 * @param values as a user gives them: booleans also as text, numbers also as text, deadlines in seconds
 * @throws {HomieError} INVALID_SETTING, which names the property
 */
export function readSettings(base: OtaSettings, values: Readonly<Record<string, unknown>>): OtaSettings {
  const result: { -readonly [K in keyof OtaSettings]: OtaSettings[K] } = { ...base };
  const given = (name: string): unknown => (values[name] === null || values[name] === '' ? undefined : values[name]);

  for (const name of switches) {
    const value = given(name);
    if (value !== undefined) result[name] = readBoolean(name, value);
  }
  for (const name of deadlines) {
    const value = given(name);
    if (value !== undefined) result[name] = readNumber(name, value, 'a number of seconds, 0 or more') * 1000;
  }
  const attempts = given('attempts');
  if (attempts !== undefined) {
    result.attempts = readNumber('attempts', attempts, 'a whole number from 1 to 10');
    if (!Number.isInteger(result.attempts) || result.attempts < 1 || result.attempts > 10) {
      throw invalid('attempts', attempts, 'a whole number from 1 to 10');
    }
  }
  const encoding = given('encoding');
  if (encoding !== undefined) {
    if (encoding !== 'binary' && encoding !== 'base64') throw invalid('encoding', encoding, '"binary" or "base64"');
    result.encoding = encoding;
  }
  return result;
}

function readBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 'true') return true;
  if (value === 'false') return false;
  throw invalid(name, value, 'true or false');
}

function readNumber(name: string, value: unknown, expected: string): number {
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) throw invalid(name, value, expected);
  return number;
}

function invalid(name: string, value: unknown, expected: string): HomieError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeof value;
  return new HomieError(
    'INVALID_SETTING',
    `${name} must be ${expected}, but is ${typeof value === 'number' ? value : shown}.`,
    {
      hint: `Set ${name} to ${expected}.`,
    },
  );
}
