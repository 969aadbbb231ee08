import { HomieError } from '../errors';
import { matchAny } from '../homie/pattern';
import { SettingValues } from '../setting-values';
import type { PlanSettings } from './plan';
import { readWindow, type Window } from './window';

/** How a job treats its devices. All times in ms. */
export interface RolloutSettings extends PlanSettings {
  /** How long a canary must stay ready after its proof, without another boot. */
  readonly soak: number;
  /** The order in which devices are served: as they are named, or by id. */
  readonly order: 'given' | 'id';
  /** When devices may be served, in local time. */
  readonly window?: Window;
  /** Ids and patterns of devices that are left alone. */
  readonly exclude: readonly string[];
  /** How long what failed can be retried. */
  readonly keep: number;
  /** Survive a restart. */
  readonly persist: boolean;
}

const HOUR = 3_600_000;

/** How long devices are waited for where there is a maintenance window: some nights. */
export const EXPIRES_WITH_WINDOW = 72 * HOUR;

export const defaultSettings: RolloutSettings = {
  concurrency: 1,
  canary: 1,
  soak: 60_000,
  spacing: 0,
  maxFailures: 1,
  expires: HOUR,
  continuous: false,
  order: 'given',
  exclude: [],
  keep: 7 * 24 * HOUR,
  persist: true,
};

const MAX_COUNT = 20_000;

/** The properties that `readSettings` knows, which are those of the node and of messages. */
export const settingNames = [
  'concurrency',
  'canary',
  'soak',
  'spacing',
  'maxFailures',
  'expires',
  'order',
  'window',
  'exclude',
  'keep',
  'continuous',
  'persist',
] as const;

/**
 * Overlays the known properties of `values` on `base`. What is undefined, null or empty text leaves `base` as it is;
 * where a window is given and no `expires`, devices are waited for 72 h.
 *
 * @param values as a user gives them: booleans also as text, numbers also as text, times in seconds but `keep` in days,
 * names as an array or as text with commas
 * @throws {HomieError} INVALID_SETTING, which names the property
 */
export function readSettings(base: RolloutSettings, values: Readonly<Record<string, unknown>>): RolloutSettings {
  const given = new SettingValues(values);
  const count = (name: string, min: number): number | undefined =>
    given.number(name, `a whole number from ${min} to ${MAX_COUNT}`, { integer: true, min, max: MAX_COUNT });
  const text = given.get('window');
  const window = text === undefined ? base.window : readWindow(text);
  const days = given.number('keep', 'a number of days, 0 or more');
  const usual = text === undefined ? base.expires : Math.max(base.expires, EXPIRES_WITH_WINDOW);
  return {
    concurrency: count('concurrency', 1) ?? base.concurrency,
    canary: count('canary', 0) ?? base.canary,
    soak: given.seconds('soak') ?? base.soak,
    spacing: given.seconds('spacing') ?? base.spacing,
    maxFailures: count('maxFailures', 0) ?? base.maxFailures,
    expires: given.seconds('expires') ?? usual,
    order: given.oneOf('order', ['given', 'id']) ?? base.order,
    ...(window !== undefined && { window }),
    exclude: devices(given.names('exclude')) ?? base.exclude,
    keep: days === undefined ? base.keep : days * 24 * HOUR,
    continuous: given.boolean('continuous') ?? base.continuous,
    persist: given.boolean('persist') ?? base.persist,
  };
}

/** Ids and patterns, as they are. */
function devices(exclude: string[] | undefined): string[] | undefined {
  try {
    matchAny(exclude ?? []);
    return exclude;
  } catch (cause) {
    const expected = 'ids of devices, or patterns with *';
    throw new HomieError('INVALID_SETTING', `exclude must be ${expected}.`, {
      hint: `Set exclude to ${expected}.`,
      cause,
    });
  }
}
