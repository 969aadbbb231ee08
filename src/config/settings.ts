import { settingsOf, type Values } from '../settings/read';
import { config } from '../settings/table';

/** The settings of a configuration change. All times in ms. */
export type ConfigSettings = Values<typeof config>;

export const { names: configSettingNames, defaults: configDefaults, read: readConfigSettings } = settingsOf(config);
