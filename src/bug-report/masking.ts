/** Masks what a bug report must not contain. */
import { MASK, pathText } from '../config/json';
import { schema } from '../config/schema';
import { plainText } from '../plain-text';
import { inEnglish, textOf, type ErrorCode, type ErrorKey, type Value, type Values } from '../texts/text';

/**
 * The values in the texts of errors that a report shows. All others are masked: addresses, paths of files, reasons in
 * the words of the operating system, and values of settings and configurations.
 */
const shown: ReadonlySet<string> = new Set(
  [
    'actual baseTopic bytes checksum chip code count device end firmware flash given id images implementation interval',
    'length limit max md5 megabytes members min name number offered part percent position running runs seconds',
    'seen shown similar size state stated status stored topic topics type unit used version',
  ].flatMap((names) => names.split(' ')),
);

/** The values that are paths in a configuration. */
const paths: ReadonlySet<string> = new Set(['key', 'keys', 'path', 'paths', 'settings']);

const known: ReadonlySet<string> = new Set(schema.map(({ keys }) => pathText(keys)));

/** An error as far as a report shows it. It may come from a file. */
export interface Reported {
  readonly code: ErrorCode;
  readonly key?: ErrorKey;
  readonly values?: Values;
}

/**
 * Returns the sentence and the hint of an error in English, with masked values. They come from the texts of the error,
 * never from its message, in which nothing could be masked.
 */
export function maskError({ code, key = code, values }: Reported): readonly [message: string, hint: string] {
  const masked = maskValues(values);
  return [inEnglish(textOf(key, 'text', masked)), inEnglish(textOf(key, 'hint', masked))];
}

function maskValues(values: unknown): Values {
  const entries = Object.entries<unknown>(Object(values));
  return Object.fromEntries(entries.map(([name, value]) => [name, maskValue(name, value)]));
}

function maskValue(name: string, value: unknown): Value {
  if (Array.isArray(value)) return value.map((each: unknown) => maskValue(name, each));
  const { key, values }: { key?: unknown; values?: unknown } = Object(value);
  if (typeof key === 'string') return { key, values: maskValues(values) };
  if (typeof value !== 'string' && typeof value !== 'number') return MASK;
  if (paths.has(name)) return maskPath(String(value));
  return shown.has(name) ? value : MASK;
}

/** Returns a path in a configuration without the names that only the sketch knows. */
export function maskPath(path: string): string {
  if (known.has(path)) return path;
  return path.startsWith('settings') ? `settings.${MASK}` : MASK;
}

/** Returns the settings that are not the default, as texts. Lists of names and ids are counted. */
export function maskSettings(settings: object, defaults: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(defaults).flatMap(([name, usual]) => {
    const value: unknown = Reflect.get(settings, name);
    if (value === undefined || JSON.stringify(value) === JSON.stringify(usual)) return [];
    if (Array.isArray(value)) return [`${name}: ${value.length} in the list`];
    const isPlain = typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string';
    // The length of the passwords.
    return [`${name}: ${isPlain && name !== 'secretBytes' ? plainText(String(value)) : MASK}`];
  });
}

/** Numbers the MAC addresses in a text instead of showing them: without another one, a device has its MAC as id. */
export function maskMacs(text: string): string {
  const expression = /[\da-f]{2}(?:[:-]?[\da-f]{2}){5}/gi;
  const found: string[] = [];
  let masked = '';
  let end = 0;
  for (let match = expression.exec(text); match !== null; match = expression.exec(text)) {
    const [written] = match;
    if (isWord(text[match.index - 1]) || isWord(text[expression.lastIndex])) {
      // Part of something longer, such as an MD5. A MAC may begin within it.
      expression.lastIndex = match.index + 1;
      continue;
    }
    const mac = written.replaceAll(/[:-]/g, '').toLowerCase();
    if (!found.includes(mac)) found.push(mac);
    masked += `${text.slice(end, match.index)}${MASK}${found.indexOf(mac) + 1}`;
    end = expression.lastIndex;
  }
  return masked + text.slice(end);
}

function isWord(character: string | undefined): boolean {
  return /^\w$/.test(character ?? '');
}
