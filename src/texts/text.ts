/** Texts for people, by key, in the languages of the editor. Messages and the log use the English ones. */
import english from './en-US.json';
import { plainText } from '../plain-text';
import { render, type Text, type Value, type Values } from './render';

export type { Text, Value, Values } from './render';

type Errors = typeof english.errors;

export type ErrorCode = keyof Errors;

/** The texts of each error: a sentence, a hint about what to do, and a status of one or two words (19 characters). */
type Part = 'text' | 'hint' | 'status';

/** The variants of every code. */
type SharedVariant = keyof typeof english.variants;

/** A code, or a code with one of the variants of its text, such as `NOT_CLEARED.tooMany`. */
export type ErrorKey = {
  [Code in ErrorCode]: Code | `${Code}.${(Exclude<keyof Errors[Code], Part> & string) | SharedVariant}`;
}[ErrorCode];

type Phrases = typeof english.phrases;

/** A text that is not of an error. `sidebar.busy` belongs to a group. */
type PhraseKey = {
  [Name in keyof Phrases]: Phrases[Name] extends string ? Name : `${Name}.${keyof Phrases[Name] & string}`;
}[keyof Phrases];

/** Returns a text that is not of an error: a part of other texts, or a text by itself. */
export function phrase(key: PhraseKey, values: Values = {}): Text {
  return { key: `phrases.${key}`, values: plainValues(values) };
}

/** Returns a text of an error. A variant without a text or hint of its own uses that of its code. */
export function textOf(key: ErrorKey, part: 'text' | 'hint', values: Values): Text {
  const [code = '', variant = ''] = key.split('.');
  const own = [`errors.${key}.${part}`, `variants.${variant}.${part}`].find((each) => find(each) !== undefined);
  return { key: own ?? `errors.${code}.${part}`, values: plainValues(values) };
}

/** Makes values safe: names and versions come from anyone who may publish on the broker. See `plainText`. */
function plainValues(values: Values): Values {
  const plain = (value: Value): Value => {
    if (typeof value === 'string') return plainText(value);
    return typeof value === 'object' && !('key' in value) ? value.map(plain) : value;
  };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, plain(value)]));
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(english.errors, text);
}

/**
 * Returns the code of a key.
 *
 * @throws {TypeError} the key has no known code
 */
export function codeOf(key: ErrorKey): ErrorCode {
  const [code = ''] = key.split('.');
  if (!isErrorCode(code)) throw new TypeError(`${key} is not the key of an error`);
  return code;
}

/** Returns a value as English text. */
export function inEnglish(value: Value): string {
  return render(value, (key, values) =>
    (find(key) ?? key).replaceAll(/__(\w+?)__/g, (_, name: string) => values[name] ?? ''),
  );
}

function find(key: string): string | undefined {
  const found = key.split('.').reduce<unknown>((value, name) => Reflect.get(Object(value), name), english);
  return typeof found === 'string' ? found : undefined;
}
