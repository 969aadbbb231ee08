import { SettingValues } from '../setting-values';
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
  sending: 30_000,
  received: 30_000,
  reboot: 90_000,
  ready: 60_000,
};

const switches = ['force', 'allowRisky', 'split', 'clearOld'] as const;
const deadlines = ['sending', 'received', 'reboot', 'ready'] as const;

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
  const given = new SettingValues(values);
  const result: { -readonly [K in keyof ConfigSettings]: ConfigSettings[K] } = { ...base };
  for (const name of switches) result[name] = given.boolean(name) ?? base[name];
  for (const name of deadlines) result[name] = given.seconds(name) ?? base[name];
  result.secretBytes = given.number('secretBytes', 'a number of bytes, 0 or more') ?? base.secretBytes;
  result.secretNames = given.names('secretNames') ?? base.secretNames;
  result.segment = given.oneOf('segment', [536, 1460]) ?? base.segment;
  return result;
}
