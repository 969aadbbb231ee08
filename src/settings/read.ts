import { HomieError } from '../errors';
import type { Setting } from './setting';

type Table = Readonly<Record<string, Setting>>;

/** The values that the settings of a table are read as. */
export type Values<T extends Table> = {
  readonly [Name in keyof T]: T[Name] extends Setting<infer Value, infer Usual>
    ? Value | (undefined extends Usual ? undefined : never)
    : never;
};

/** The settings of a table, as code uses them. */
export interface Settings<T extends Table> {
  /** The names of the properties that `read` knows, in nodes and in messages. */
  readonly names: readonly (keyof T & string)[];
  readonly defaults: Values<T>;
  /**
   * Overrides `base` with the known properties of `values`. Undefined, null and blank text leave `base` as it is.
   * Errors do not repeat an invalid value, since it may be a secret in the wrong field.
   *
   * @param values as given by a user
   * @throws {HomieError} INVALID_SETTING: a value is invalid; names the property
   */
  readonly read: (base: Values<T>, values: Readonly<Record<string, unknown>>) => Values<T>;
}

/** Returns the names, the defaults and the reader of a table of settings. */
export function settingsOf<T extends Table>(table: T): Settings<T>;
export function settingsOf(table: Table): Settings<Table> {
  const entries = Object.entries(table);
  const read = (base: Values<Table>, values: Readonly<Record<string, unknown>>): Values<Table> =>
    Object.fromEntries(
      entries.map(([name, setting]) => {
        const given = values[name];
        return [name, isGiven(given) ? readOne(name, setting, given) : base[name]];
      }),
    );
  const usual = Object.fromEntries(entries.map(([name, setting]) => [name, setting.usual]));
  return { names: Object.keys(table), defaults: read({}, usual), read };
}

/** Returns whether a value was given: not undefined, null or blank text. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && !(typeof value === 'string' && value.trim() === '');
}

function readOne(name: string, { read, expected }: Setting, given: unknown): unknown {
  const value = read(given);
  if (value !== undefined) return value;
  throw new HomieError('INVALID_SETTING.mustBe', { name, expected });
}
