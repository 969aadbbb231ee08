import { HomieError } from '../errors';
import type { Setting } from './setting';

type Table = Readonly<Record<string, Setting>>;

/** What settings are read as. */
export type Values<T extends Table> = {
  readonly [Name in keyof T]: T[Name] extends Setting<infer Value, infer Usual>
    ? Value | (undefined extends Usual ? undefined : never)
    : never;
};

/** Settings of a table, as code uses them. */
export interface Settings<T extends Table> {
  /** The properties that `read` knows, which are those of the node and of messages. */
  readonly names: readonly (keyof T & string)[];
  readonly defaults: Values<T>;
  /**
   * Overlays the known properties of `values` on `base`. What is undefined, null or blank text leaves `base` as it is.
   * What does not fit is not repeated in the error, since a secret may stand in the wrong place.
   *
   * @param values as a user gives them
   * @throws {HomieError} INVALID_SETTING, which names the property
   */
  readonly read: (base: Values<T>, values: Readonly<Record<string, unknown>>) => Values<T>;
}

/** Returns what reads the settings of a table. */
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

/** Whether something was given: what is undefined, null or blank text was not. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && !(typeof value === 'string' && value.trim() === '');
}

function readOne(name: string, { read, expected }: Setting, given: unknown): unknown {
  const value = read(given);
  if (value !== undefined) return value;
  throw new HomieError('INVALID_SETTING.mustBe', { name, expected });
}
