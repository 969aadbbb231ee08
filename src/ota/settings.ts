import { SettingValues } from '../setting-values';

/** How an update is done. All times in ms. */
export interface OtaSettings {
  /** Install the image again where it already runs. */
  readonly force: boolean;
  /** Let pass what does not fit the device: another firmware name, no Homie signature, or another chip (but
   * nothing but an ESP8266 image to an ESP8266). */
  readonly allowIncompatible: boolean;
  /** Let pass an image with a lower version than the one that runs. */
  readonly allowDowngrade: boolean;
  /** How the image goes over the wire. `base64` is best effort. */
  readonly encoding: 'binary' | 'base64';
  /** Restart a device whose updater this job found stuck, by an empty configuration patch. */
  readonly recoverReboot: boolean;
  /** Clear a retained firmware message that undoes an update. */
  readonly clearRetained: boolean;
  /** Transfers in all. */
  readonly attempts: number;
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
  clearRetained: false,
  attempts: 2,
  sending: 120_000,
  accepted: 30_000,
  stall: 120_000,
  reboot: 180_000,
  ready: 60_000,
};

const switches = ['force', 'allowIncompatible', 'allowDowngrade', 'recoverReboot', 'clearRetained'] as const;
const deadlines = ['sending', 'accepted', 'stall', 'reboot', 'ready'] as const;

/** The properties that `readSettings` knows, which are those of the node and of messages. */
export const settingNames = [...switches, 'encoding', 'attempts', ...deadlines] as const;

/**
 * Overlays the known properties of `values` on `base`. What is undefined, null or empty text leaves `base` as it is.
 *
 * @param values as a user gives them: booleans also as text, numbers also as text, deadlines in seconds
 * @throws {HomieError} INVALID_SETTING, which names the property
 */
export function readSettings(base: OtaSettings, values: Readonly<Record<string, unknown>>): OtaSettings {
  const given = new SettingValues(values);
  const result: { -readonly [K in keyof OtaSettings]: OtaSettings[K] } = { ...base };
  for (const name of switches) result[name] = given.boolean(name) ?? base[name];
  for (const name of deadlines) result[name] = given.seconds(name) ?? base[name];
  const attempts = given.number('attempts', 'a whole number from 1 to 10', { integer: true, min: 1, max: 10 });
  result.attempts = attempts ?? base.attempts;
  result.encoding = given.oneOf('encoding', ['binary', 'base64']) ?? base.encoding;
  return result;
}
