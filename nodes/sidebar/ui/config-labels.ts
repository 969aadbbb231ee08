/** What the keys and values of a configuration are called. */
import type { ConfigField } from '../form-fields';
import { MASK, type Json } from '../../../src/config/json';
import { groupOf } from './config-fields';
import { t } from './texts';

/** Returns the label of a field within its group. A setting has the name that the sketch gives it. */
export function labelOf({ keys, path }: ConfigField): string {
  return keys[0] === 'settings' ? keys.slice(1).join('.') : t(`config.field.${path}`);
}

/** Returns the group and the label of the field at a path, or the path itself if no field has it. */
export function pathLabel(fields: readonly ConfigField[], path: string): string {
  const field = fields.find((each) => each.path === path);
  return field === undefined ? path : `${t(`config.group.${groupOf(field)}`)}: ${labelOf(field)}`;
}

/** Returns a value in words. */
export function valueText(value: Json | undefined): string {
  if (value === MASK) return t('config.secret');
  if (value === undefined || value === null) return t('config.unset');
  if (value === '') return t('config.empty');
  if (typeof value === 'boolean') return t(value ? 'config.on' : 'config.off');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
