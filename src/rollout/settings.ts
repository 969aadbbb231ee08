import { isGiven, settingsOf, type Values } from '../settings/read';
import { rollout } from '../settings/table';

/** How a job treats its devices. All times in ms. */
export type RolloutSettings = Values<typeof rollout>;

const settings = settingsOf(rollout);

export const { names: settingNames, defaults: defaultSettings } = settings;

/** As `Settings.read`, but where a window is given and no `expires`, devices are waited for longer. */
export function readSettings(base: RolloutSettings, values: Readonly<Record<string, unknown>>): RolloutSettings {
  const expires = isGiven(values['window']) ? Math.max(base.expires, rollout.expires.withWindow * 1000) : base.expires;
  return settings.read({ ...base, expires }, values);
}
