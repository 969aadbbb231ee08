/** What settings may be, and how each kind is read. Runs in a browser, too: its dialogs refuse what a node would. */
import { isDeviceIdOrPattern } from '../homie/device-id';
import { phrase, type Text } from '../texts/text';
import { readWindow, type Window } from './times';

/** A setting as a user gives it. */
type Given = boolean | number | string | readonly string[] | undefined;

/** One setting. `Value` is what the code gets, `Usual` what a user gives. */
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
  /** What counts unless something is given; undefined where nothing stands for it. */
  readonly usual: Usual;
  /** What counts instead where there is a time window. */
  readonly withWindow?: Usual;
  /** What it must be, for errors. */
  readonly expected: Text;
  /** Reads what a user gave in a node or a message; undefined where that does not fit. */
  readonly read: (given: unknown) => Value | undefined;
  readonly least?: number;
  readonly most?: number;
  readonly choices?: readonly (string | number)[];
  /** The key of the unit's text. */
  readonly unit?: string;
  /** A name of Font Awesome, without `fa-`. */
  readonly icon?: string;
  /** What an empty field shows. */
  readonly placeholder?: string;
}

/** Characters of a line of text. */
const MAX_LINE = 2000;

type Look = Pick<Setting, 'unit' | 'icon' | 'placeholder'>;

/** True or false, also as text. */
export function flag(usual: boolean): Setting<boolean, boolean> {
  const read = (given: unknown): boolean | undefined =>
    typeof given === 'boolean' ? given : given === 'true' ? true : given === 'false' ? false : undefined;
  return { kind: 'flag', usual, expected: phrase('expectedFlag'), read };
}

/** A whole number, also as text. */
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

/** One of a few, of which the first is usual. */
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

/** Some of a few: an array, or text with commas. */
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

/** Ids of devices, or patterns: an array, or text with commas. */
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

/** Spans of the day in local time. */
export function times(look: Look = {}): Setting<Window, undefined> {
  return { kind: 'times', usual: undefined, expected: phrase('expectedTimes'), read: readWindow, ...look };
}

/** Any text, such as the path of a folder. */
export const text = line('text', phrase('expectedText'), () => true);

/** The address of a web server. Credentials in it would be stored with the flow, where they can be read. */
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

/** Names that a user gave: an array, or text with commas; undefined where they are something else. */
export function readNames(given: unknown): string[] | undefined {
  const all: unknown = typeof given === 'string' ? given.split(',') : given;
  if (!Array.isArray(all) || !all.every((each) => typeof each === 'string')) return undefined;
  return all.map((each) => each.trim()).filter((each) => each !== '');
}
