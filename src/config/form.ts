/** The configuration of a device as the fields of a form. */
import type { Json, Keys } from './json';
import type { ConfigKey } from './schema';

/** A field of the form. */
export interface ConfigField {
  readonly keys: Keys;
  /** The keys, joined: `wifi.ssid`. */
  readonly path: string;
  /** `number`: a setting of the sketch with a fraction. */
  readonly type: Exclude<ConfigKey['type'], 'object' | 'settings'> | 'number';
  /** The published value; undefined if it is missing, or never published. */
  readonly value?: Json;
  /** A secret: its value is never shown. */
  readonly secret?: true;
  readonly required?: true;
  /** For a text, in bytes of UTF-8. */
  readonly min?: number;
  readonly max?: number;
}
