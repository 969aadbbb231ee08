import { settingsOf, type Values } from '../settings/read';
import { ota } from '../settings/table';

/** The settings of an update. All times are in ms. */
export type OtaSettings = Values<typeof ota>;

export const { names: otaSettingNames, defaults: otaDefaults, read: readOtaSettings } = settingsOf(ota);
