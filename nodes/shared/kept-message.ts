/** Selects what is stored of a message: what a flow needs to recognize it after a restart. */
import { isDeepStrictEqual, types } from 'node:util';
import { MASK, type JsonObject } from '../../src/config/json';
import { tryReadObject } from '../../src/config/patch';
import { maskObject, SECRET_NAMES } from '../../src/config/secrets';
import type { Request } from './request';

/** Maximum number of characters to store of a message. */
const MAX_KEPT = 65_536;

/** Maximum levels of objects and arrays in a stored property. */
const MAX_DEPTH = 100;

/**
 * Minimum length of a secret of the patch to search for within longer texts. Shorter ones occur in many texts by
 * chance.
 */
const LONG_SECRET = 8;

/**
 * Properties that HTTP nodes add to a message. They are of no use after a restart, when nobody waits for a response any
 * more.
 */
const httpNames: ReadonlySet<string> = new Set([
  'req',
  'res',
  'headers',
  'cookies',
  'url',
  'query',
  'params',
  'session',
  'responseurl',
  'responsecookies',
  'redirectlist',
]);

/** A name is secret if it contains one of the first or equals one of the second, in upper or lower case. */
const secretParts = [...SECRET_NAMES, 'authorization', 'cookie', 'credential', 'passphrase', 'passwd'];
const secretNames: ReadonlySet<string> = new Set(['auth', 'pass', 'psk', 'pwd', 'session', 'sessionid', 'sid']);

/** Beginnings of secret names in a text such as `pwd=…`. */
const secretBeginnings = ['auth', 'pass', 'psk', 'pwd', 'sid'];

/** Matches a header or a URL that contains a secret. */
const secretText =
  /authorization\s{0,20}:|(?:^|[^a-z])(?:basic|bearer)\s{1,20}[\w+/=.~-]{8}|:\/\/[^/\s:@]{0,200}:[^/\s@]{1,200}@/i;

/** Matches what separates a name from its value in JSON, a URL, a form or a header. */
const separator = /(?:["']|%22|%27)\s{0,8}(?::|%3a)|=|%3d/gi;

/** Maximum length of a name to look at, in characters. */
const LONGEST_NAME = 100;

/** Yields the names in a text that have a value, in lower case. */
function* namesIn(text: string): Generator<string> {
  for (const { index } of text.matchAll(separator)) {
    let end = index;
    // Skips the backslashes of JSON within JSON.
    while (end > 0 && index - end < LONGEST_NAME && text[end - 1] === '\\') end -= 1;
    let begin = end;
    while (begin > 0 && end - begin < LONGEST_NAME && /[\w.[\]-]/.test(text[begin - 1] ?? '')) begin -= 1;
    yield text.slice(begin, end).toLowerCase();
  }
}

/** What must not be stored with a message. */
export interface Unkept {
  readonly payload: unknown;
  /** The patch in the payload, and the words that mark its secret settings. */
  readonly patch?: { readonly content: JsonObject; readonly secretNames: readonly string[] } | undefined;
}

/**
 * Returns the properties of a message to store: plain JSON, up to 64 KiB. Omits the payload, properties of HTTP nodes,
 * and anything that contains the payload again. Masks what looks like a secret by its name, and the secrets of a patch.
 */
export function keptOf(msg: Request, unkept: Unkept): Record<string, unknown> {
  const cleaner = new Cleaner(unkept);
  const kept: [string, unknown][] = [];
  let room = MAX_KEPT;
  for (const name of Object.keys(msg)) {
    if (name === 'payload' || httpNames.has(name.toLowerCase())) continue;
    const text = jsonOf(msg, name);
    if (text === undefined || text.length > room) continue;
    const cleaned = cleaner.member(name, JSON.parse(text), 0);
    if (cleaned === undefined) continue;
    // The mask may be longer than what it replaces.
    const size = JSON.stringify({ [name]: cleaned }).length;
    if (size > room) continue;
    room -= size;
    kept.push([name, cleaned]);
  }
  return Object.fromEntries(kept);
}

/** Copies plain JSON without secrets and without the payload. */
class Cleaner {
  readonly #secretParts: readonly string[];
  readonly #copies: readonly string[];
  readonly #patch: JsonObject | undefined;
  /** The secret values of the patch. */
  readonly #secrets: ReadonlySet<string>;

  constructor({ payload, patch }: Unkept) {
    const names = patch?.secretNames ?? [];
    this.#secretParts = [...secretParts, ...names.filter((name) => name !== '').map((name) => name.toLowerCase())];
    this.#copies = textsOf(payload);
    this.#patch = patch?.content;
    this.#secrets = new Set(patch && differences(patch.content, maskObject(patch.content, names)));
  }

  /** @returns undefined for what is omitted */
  member(name: string, value: unknown, depth: number): unknown {
    // A form that was read as another content type has the secret in its name.
    if (this.#text(name) !== name) return undefined;
    const tellsNothing = value === null || typeof value === 'boolean';
    return this.#isSecretName(name) && !tellsNothing ? MASK : this.#value(value, depth);
  }

  #value(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.#text(value);
    if (typeof value === 'number') return this.#secrets.has(String(value)) ? MASK : value;
    if (typeof value !== 'object' || value === null) return value;
    if (depth >= MAX_DEPTH || isDeepStrictEqual(value, this.#patch)) return undefined;
    if (Array.isArray(value)) return value.map((item: unknown) => this.#value(item, depth + 1) ?? null);
    const members = Object.entries(value).map(
      ([name, each]: [string, unknown]) => [name, this.member(name, each, depth + 1)] as const,
    );
    return Object.fromEntries(members.filter(([, each]) => each !== undefined));
  }

  #text(text: string): string | undefined {
    if (this.#copies.some((copy) => text.includes(copy)) || this.#isPatch(text)) return undefined;
    return secretText.test(text) || this.#holdsSecret(text) || this.#namesSecret(text) ? MASK : text;
  }

  /** Whether a text contains a secret with its name, as JSON, a URL, a form or a header does. */
  #namesSecret(text: string): boolean {
    for (const name of namesIn(text)) {
      const words = name.split(/[.[\]-]/);
      const isSecret = words.some((word) => secretBeginnings.some((each) => word.startsWith(each)));
      if (isSecret || this.#isSecretName(name)) return true;
    }
    return false;
  }

  /** Whether a text is the patch, however it is formatted. */
  #isPatch(text: string): boolean {
    if (this.#patch === undefined || !text.trimStart().startsWith('{')) return false;
    const read = tryReadObject(text);
    return 'patch' in read && isDeepStrictEqual(read.patch, this.#patch);
  }

  #holdsSecret(text: string): boolean {
    if (this.#secrets.has(text)) return true;
    return [...this.#secrets].some((secret) => secret.length >= LONG_SECRET && text.includes(secret));
  }

  #isSecretName(name: string): boolean {
    const lower = name.toLowerCase();
    return secretNames.has(lower) || this.#secretParts.some((part) => lower.includes(part));
  }
}

/**
 * Returns the texts of which a copy of the payload contains one; none if the payload is very short, or larger than what
 * is stored of a message.
 */
function textsOf(payload: unknown): string[] {
  const isText = typeof payload === 'string';
  // Not instanceof, since objects from a function node come from another realm.
  if (!isText && !types.isUint8Array(payload)) return [];
  if (payload.length < LONG_SECRET || payload.length > MAX_KEPT) return [];
  if (isText) return [payload];
  const bytes = Buffer.from(payload);
  return [bytes.toString('base64'), bytes.toString('hex'), bytes.toString('latin1'), bytes.toString(), bytes.join(',')];
}

/** Returns the texts and numbers in which a patch differs from its masked copy. */
function differences(value: unknown, masked: unknown): string[] {
  if (typeof value === 'string' || typeof value === 'number') return value === masked ? [] : [String(value)];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) =>
    differences(each, typeof masked === 'object' && masked !== null ? Reflect.get(masked, name) : undefined),
  );
}

/**
 * Returns a property as JSON text; undefined if it is circular, or contains a Buffer, a function, a symbol or a getter
 * that throws.
 */
function jsonOf(msg: Request, name: string): string | undefined {
  try {
    return JSON.stringify(msg[name], function (this: object, key: string, each: unknown) {
      const raw: unknown = Reflect.get(this, key);
      if (typeof raw === 'function' || typeof raw === 'symbol' || ArrayBuffer.isView(raw)) throw new TypeError();
      return each;
    });
  } catch {
    return undefined;
  }
}
