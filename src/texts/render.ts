/** Puts texts into a language. Also runs in the browser. */

/** A text before it is put into a language: plain data. */
export interface Text {
  /** From the top of the file of texts, for instance `errors.NOT_CLEARED.tooMany.text`. */
  readonly key: string;
  readonly values: Values;
}

/** What is put into a text: the value of `id` where the text has `__id__`. */
export type Values = Readonly<Record<string, Value>>;

/** Texts in a list are separated by commas. */
export type Value = string | number | Text | readonly Value[];

/**
 * Returns a text with its values put in; a list of texts with commas between them.
 *
 * @param lookUp returns the text of a key with the values in it, which are in the language by then
 */
export function render(
  value: Value,
  lookUp: (key: string, values: Readonly<Record<string, string>>) => string,
): string {
  if (typeof value !== 'object') return String(value);
  if (!('key' in value)) return value.map((one) => render(one, lookUp)).join(', ');
  const { key, values } = value;
  return lookUp(key, Object.fromEntries(Object.entries(values).map(([name, each]) => [name, render(each, lookUp)])));
}
