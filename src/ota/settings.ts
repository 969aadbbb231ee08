import { settingsOf, type Values } from '../settings/read';
import { ota } from '../settings/table';

/** How an update is done. All times in ms. */
export type OtaSettings = Values<typeof ota>;

export const { names: settingNames, defaults: defaultSettings, read: readSettings } = settingsOf(ota);
