import { HomieError } from './errors';

/** What a number must be, beside 0 or more. */
interface Bounds {
  readonly integer?: true;
  readonly min?: number;
  readonly max?: number;
}

/**
 * Settings as a user gives them, in a node or a message. What is undefined, null or blank text was not given. Every
 * function throws INVALID_SETTING, which names the property; what was given is not repeated, since a secret may stand in
 * the wrong place.
 */
export class SettingValues {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** The value as it is. */
  get(name: string): unknown {
    const value = this.#values[name];
    return value === null || (typeof value === 'string' && value.trim() === '') ? undefined : value;
  }

  /** Also as text. */
  boolean(name: string): boolean | undefined {
    const value = this.get(name);
    if (value === undefined || typeof value === 'boolean') return value;
    if (value === 'true') return true;
    if (value === 'false') return false;
    throw invalid(name, 'true or false');
  }

  /** Also as text. @param expected what it must be, for the error */
  number(name: string, expected: string, { integer, min = 0, max = Infinity }: Bounds = {}): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const number = typeof value === 'string' ? Number(value) : value;
    const fits = typeof number === 'number' && Number.isFinite(number) && number >= min && number <= max;
    if (!fits || (integer === true && !Number.isInteger(number))) throw invalid(name, expected);
    return number;
  }

  /** A time in seconds. @returns ms */
  seconds(name: string): number | undefined {
    const value = this.number(name, 'a number of seconds, 0 or more');
    return value === undefined ? undefined : value * 1000;
  }

  /** One of these. */
  oneOf<T extends string | number>(name: string, choices: readonly T[]): T | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const choice = choices.find((each) => each === value || (typeof each === 'number' && String(each) === value));
    if (choice === undefined) throw invalid(name, choices.map((each) => JSON.stringify(each)).join(' or '));
    return choice;
  }

  /** Some of these: an array, or text with commas. */
  someOf<T extends string>(name: string, choices: readonly T[]): T[] | undefined {
    return this.names(name)?.map((each) => {
      const choice = choices.find((candidate) => candidate === each);
      if (choice === undefined) throw invalid(name, `some of ${choices.join(', ')}`);
      return choice;
    });
  }

  /** An array, or text with commas. */
  names(name: string): string[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const names: unknown = typeof value === 'string' ? value.split(',') : value;
    if (!Array.isArray(names) || !names.every((each) => typeof each === 'string')) {
      throw invalid(name, 'names with commas between them');
    }
    return names.map((each) => each.trim()).filter((each) => each !== '');
  }
}

function invalid(name: string, expected: string): HomieError {
  return new HomieError('INVALID_SETTING', `${name} must be ${expected}.`, { hint: `Set ${name} to ${expected}.` });
}
