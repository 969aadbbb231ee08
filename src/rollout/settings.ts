import { isGiven, settingsOf, type Values } from '../settings/read';
import { rollout } from '../settings/table';

/** How a job treats its devices. All times in ms. */
export type RolloutSettings = Values<typeof rollout>;

const settings = settingsOf(rollout);

export const { names: rolloutSettingNames, defaults: rolloutDefaults } = settings;

/** Reads settings as `Settings.read` does. With a window but no `expires` in `values`, jobs wait longer for devices. */
export function readRolloutSettings(base: RolloutSettings, values: Readonly<Record<string, unknown>>): RolloutSettings {
  const expires = isGiven(values['window']) ? Math.max(base.expires, rollout.expires.withWindow * 1000) : base.expires;
  return settings.read({ ...base, expires }, values);
}
