/** Texts for people, by key, in the languages of the editor. The English ones also go into messages and the log. */
import english from './en-US.json';

type Errors = typeof english.errors;

export type ErrorCode = keyof Errors;

/** What each error has: a sentence, a hint what to do, and a word or two for a status of at most 19 characters. */
type Part = 'text' | 'hint' | 'status';

/** A code, or a code and one of the variants of its text: `NOT_CLEARED.tooMany`. */
export type ErrorKey = {
  [Code in ErrorCode]: Code | `${Code}.${Exclude<keyof Errors[Code], Part> & string}`;
}[ErrorCode];

/** A text that is a part of others, or stands by itself. */
type PhraseKey = keyof typeof english.phrases;

/** A text before it is put into a language: plain data. */
export interface Text {
  /** From the top of the file of texts, for instance `errors.NOT_CLEARED.tooMany.text`. */
  readonly key: string;
  readonly values?: Values;
}

/** What is put into a text: the value of `id` where the text has `__id__`. */
export type Values = Readonly<Record<string, Value>>;

/** Texts in a list are separated by commas. */
type Value = string | number | Text | readonly Value[];

/** Returns a text that is not of an error. */
export function phrase(key: PhraseKey, values: Values = {}): Text {
  return { key: `phrases.${key}`, values };
}

/** Returns a text of an error. A variant that has no text or hint of its own has that of its code. */
export function textOf(key: ErrorKey, part: 'text' | 'hint', values: Values): Text {
  const [code = ''] = key.split('.');
  const own = `errors.${key}.${part}`;
  return { key: find(own) === undefined ? `errors.${code}.${part}` : own, values };
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

export function inEnglish(text: Text): string {
  return render(text, (key, values) =>
    (find(key) ?? key).replaceAll(/__(\w+?)__/g, (_, name: string) => values[name] ?? ''),
  );
}

/**
 * Returns a text with its values put in.
 *
 * @param lookUp returns the text of a key with the values in it, of which all texts are in the language by then
 */
function render(
  { key, values = {} }: Text,
  lookUp: (key: string, values: Readonly<Record<string, string>>) => string,
): string {
  const shown = (value: Value): string => {
    if (typeof value !== 'object') return String(value);
    return 'key' in value ? render(value, lookUp) : value.map(shown).join(', ');
  };
  return lookUp(key, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shown(value)])));
}

function find(key: string): string | undefined {
  const found = key.split('.').reduce<unknown>((value, name) => Reflect.get(Object(value), name), english);
  return typeof found === 'string' ? found : undefined;
}
