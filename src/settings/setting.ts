/**
 * The kinds of settings, and how each is read. Also runs in the browser, so that dialogs refuse the same values as the
 * nodes.
 */
import { isDeviceIdOrPattern } from '../homie/device-id';
import { phrase, type Text } from '../texts/text';
import { readWindow, type Window } from './times';

/** The default of a setting, as a user would give it. */
type Given = boolean | number | string | readonly string[] | undefined;

/** One setting. `Value` is what the code gets, `Usual` the default as a user would give it. */
export interface Setting<Value = unknown, Usual extends Given = Given> {
  readonly kind:
    | 'flag'
    | 'whole'
    | 'seconds'
    | 'days'
    | 'choice'
    | 'someOf'
    | 'names'
    | 'devices'
    | 'times'
    | 'text'
    | 'address'
    | 'repository';
  /** The default; undefined if there is none. */
  readonly usual: Usual;
  /** The default if there is a time window. */
  readonly withWindow?: Usual;
  /** What a value must be, for errors. */
  readonly expected: Text;
  /** Reads a value that a user gave in a node or a message; returns undefined if it is invalid. */
  readonly read: (given: unknown) => Value | undefined;
  readonly least?: number;
  readonly most?: number;
  readonly choices?: readonly (string | number)[];
  /** The key of the unit's text. */
  readonly unit?: string;
  /** Name of a Font Awesome icon, without `fa-`. */
  readonly icon?: string;
  /** What an empty field shows. */
  readonly placeholder?: string;
}

/** Maximum length of a text, in characters. */
const MAX_LINE = 2000;

type Look = Pick<Setting, 'unit' | 'icon' | 'placeholder'>;

/** Returns a setting that is true or false, also as text. */
export function flag(usual: boolean): Setting<boolean, boolean> {
  const read = (given: unknown): boolean | undefined =>
    typeof given === 'boolean' ? given : given === 'true' ? true : given === 'false' ? false : undefined;
  return { kind: 'flag', usual, expected: phrase('expectedFlag'), read };
}

/** Returns a setting that is a whole number, also as text. */
export function whole<Usual extends number | undefined>(
  usual: Usual,
  least: number,
  most: number,
  look: Look = {},
): Setting<number, Usual> {
  const read = (given: unknown): number | undefined => {
    const number = readNumber(given);
    return number !== undefined && Number.isInteger(number) && number >= least && number <= most ? number : undefined;
  };
  const expected = phrase('expectedWhole', { least, most });
  return { kind: 'whole', usual, expected, read, least, most, ...look };
}

/** A time that is given in seconds and read in ms. */
export const seconds = time('seconds', 1000);

/** A time that is given in days and read in ms. */
export const days = time('days', 24 * 3_600_000);

function time(unit: 'seconds' | 'days', ms: number): (usual: number) => Setting<number, number> {
  const read = (given: unknown): number | undefined => {
    const number = readNumber(given);
    return number !== undefined && number >= 0 ? number * ms : undefined;
  };
  return (usual) => ({
    kind: unit,
    usual,
    expected: phrase(unit === 'days' ? 'expectedDays' : 'expectedSeconds'),
    read,
    unit,
  });
}

/** Returns a setting with a few choices, of which the first is the default. */
export function choice<Choice extends string | number>(
  choices: readonly [Choice, ...Choice[]],
  look: Look = {},
): Setting<Choice, Choice> {
  const read = (given: unknown): Choice | undefined =>
    choices.find((each) => each === given || (typeof each === 'number' && String(each) === given));
  const shown = choices.map((each) => JSON.stringify(each));
  const expected = phrase('expectedChoice', { others: shown.slice(0, -1), last: shown.at(-1) ?? '' });
  return { kind: 'choice', usual: choices[0], expected, read, choices, ...look };
}

/** Returns a setting that is some of a few choices: an array, or text with commas. */
export function someOf<Choice extends string>(choices: readonly Choice[]): Setting<readonly Choice[], undefined> {
  const read = (given: unknown): readonly Choice[] | undefined => {
    const named = readNames(given);
    const chosen = named?.flatMap((name) => choices.find((each) => each === name) ?? []);
    return chosen?.length === named?.length ? chosen : undefined;
  };
  return { kind: 'someOf', usual: undefined, expected: phrase('expectedSomeOf', { choices }), read, choices };
}

/** Any names: an array, or text with commas. */
export const names = list('names', phrase('expectedNames'), () => true);

/** Device ids or patterns: an array, or text with commas. */
export const devices = list('devices', phrase('expectedDevices'), isDeviceIdOrPattern);

function list(kind: 'names' | 'devices', expected: Text, fits: (name: string) => boolean) {
  const read = (given: unknown): readonly string[] | undefined => {
    const named = readNames(given);
    return named?.every(fits) === true ? named : undefined;
  };
  return <Usual extends readonly string[] | undefined>(
    usual: Usual,
    look: Look = {},
  ): Setting<readonly string[], Usual> => ({ kind, usual, expected, read, ...look });
}

/** Returns a setting that is a time window: spans of the day in local time. */
export function times(look: Look = {}): Setting<Window, undefined> {
  return { kind: 'times', usual: undefined, expected: phrase('expectedTimes'), read: readWindow, ...look };
}

/** Any text, such as the path of a folder. */
export const text = line('text', phrase('expectedText'), () => true);

/** The address of a web server, without credentials: these would be stored with the flow, where they can be read. */
export const address = line('address', phrase('expectedAddress'), isAddress);

/** `owner/name` of a repository. */
export const repository = line('repository', phrase('expectedRepository'), (given) => {
  const parts = given.split('/');
  return parts.length === 2 && parts.every((part) => /^[\w.-]{1,100}$/.test(part) && !/^\.+$/.test(part));
});

function line(kind: 'text' | 'address' | 'repository', expected: Text, fits: (given: string) => boolean) {
  const read = (given: unknown): string | undefined => {
    const trimmed = typeof given === 'string' ? given.trim() : '';
    return trimmed !== '' && trimmed.length <= MAX_LINE && fits(trimmed) ? trimmed : undefined;
  };
  return <Usual extends string | undefined>(usual: Usual): Setting<string, Usual> => ({ kind, usual, expected, read });
}

function isAddress(given: string): boolean {
  if (!/^https?:\/\/[^\s/?#@]/i.test(given) || !URL.canParse(given)) return false;
  const { username, password } = new URL(given);
  return username === '' && password === '';
}

function readNumber(given: unknown): number | undefined {
  const number = typeof given === 'string' ? Number(given) : given;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** Reads names from an array, or from text with commas. Returns undefined for anything else. */
export function readNames(given: unknown): string[] | undefined {
  const all: unknown = typeof given === 'string' ? given.split(',') : given;
  if (!Array.isArray(all) || !all.every((each) => typeof each === 'string')) return undefined;
  return all.map((each) => each.trim()).filter((each) => each !== '');
}
