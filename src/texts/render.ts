/** Renders texts in a language. Also runs in the browser. */

/** A text before it is rendered in a language: plain data. */
export interface Text {
  /** The path in the file of texts, for instance `errors.NOT_CLEARED.tooMany.text`. */
  readonly key: string;
  readonly values: Values;
}

/** The values for a text: the value of `id` replaces `__id__`. */
export type Values = Readonly<Record<string, Value>>;

/** A value for a text. The items of a list are separated by commas. */
export type Value = string | number | Text | readonly Value[];

/**
 * Returns a text with its values inserted, or the items of a list separated by commas.
 *
 * @param lookUp returns the text of a key with the given values inserted, which are already in the language
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
