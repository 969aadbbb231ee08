/** Texts for people, by key, in the languages of the editor. The English ones also go into messages and the log. */
import english from './en-US.json';
import { plainText } from '../plain-text';
import { render, type Text, type Value, type Values } from './render';

export type { Text, Value, Values } from './render';

type Errors = typeof english.errors;

export type ErrorCode = keyof Errors;

/** What each error has: a sentence, a hint what to do, and a word or two for a status of at most 19 characters. */
type Part = 'text' | 'hint' | 'status';

/** Variants that every code has. */
type SharedVariant = keyof typeof english.variants;

/** A code, or a code and one of the variants of its text: `NOT_CLEARED.tooMany`. */
export type ErrorKey = {
  [Code in ErrorCode]: Code | `${Code}.${(Exclude<keyof Errors[Code], Part> & string) | SharedVariant}`;
}[ErrorCode];

type Phrases = typeof english.phrases;

/** A text that is a part of others, or stands by itself; `sidebar.busy` is one of a group. */
type PhraseKey = {
  [Name in keyof Phrases]: Phrases[Name] extends string ? Name : `${Name}.${keyof Phrases[Name] & string}`;
}[keyof Phrases];

/** Returns a text that is not of an error. */
export function phrase(key: PhraseKey, values: Values = {}): Text {
  return { key: `phrases.${key}`, values: plainValues(values) };
}

/** Returns a text of an error. A variant that has no text or hint of its own has that of its code. */
export function textOf(key: ErrorKey, part: 'text' | 'hint', values: Values): Text {
  const [code = '', variant = ''] = key.split('.');
  const own = [`errors.${key}.${part}`, `variants.${variant}.${part}`].find((each) => find(each) !== undefined);
  return { key: own ?? `errors.${code}.${part}`, values: plainValues(values) };
}

/** Names and versions come from whoever may publish on the broker: see `plainText`. */
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

/** Returns the code of a key. */
export function codeOf(key: ErrorKey): ErrorCode {
  const [code = ''] = key.split('.');
  if (!isErrorCode(code)) throw new TypeError(`${key} is not the key of an error`);
  return code;
}

export function inEnglish(value: Value): string {
  return render(value, (key, values) =>
    (find(key) ?? key).replaceAll(/__(\w+?)__/g, (_, name: string) => values[name] ?? ''),
  );
}

function find(key: string): string | undefined {
  const found = key.split('.').reduce<unknown>((value, name) => Reflect.get(Object(value), name), english);
  return typeof found === 'string' ? found : undefined;
}
