/** What is written down of a message: what a flow needs to recognise it after a restart. */
import { isDeepStrictEqual, types } from 'node:util';
import type { JsonObject } from '../../src/config/json';
import { MASK, tryReadObject } from '../../src/config/patch';
import { maskObject, SECRET_NAMES } from '../../src/config/secrets';
import type { Request } from './request';

/** Characters of a message that are kept. */
const MAX_KEPT = 65_536;

/** Levels of objects and arrays in a property that is kept. */
const MAX_DEPTH = 100;

/** A secret of the patch is searched for within longer texts from this length on; a shorter one is in many texts by chance. */
const LONG_SECRET = 8;

/** What nodes for HTTP put into a message. It is of no use after a restart, when nobody waits for a response any more. */
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

/** The name of a secret contains one of these, or is one of the others, in any case. */
const secretParts = [...SECRET_NAMES, 'authorization', 'cookie', 'credential', 'passphrase', 'passwd'];
const secretNames: ReadonlySet<string> = new Set(['auth', 'pass', 'psk', 'pwd', 'session', 'sessionid', 'sid']);

/** Beginnings of names that are secrets in a text such as `pwd=…`. */
const secretBeginnings = ['auth', 'pass', 'psk', 'pwd', 'sid'];

/** A header or a URL that holds a secret. */
const secretText =
  /authorization\s{0,20}:|(?:^|[^a-z])(?:basic|bearer)\s{1,20}[\w+/=.~-]{8}|:\/\/[^/\s:@]{0,200}:[^/\s@]{1,200}@/i;

/** What stands between a name and its value in JSON, a URL, a form or a header. */
const separator = /(?:["']|%22|%27)\s{0,8}(?::|%3a)|=|%3d/gi;

/** The longest name that is looked at, in characters. */
const LONGEST_NAME = 100;

/** The names in a text that have a value, in lower case. */
function* namesIn(text: string): Generator<string> {
  for (const { index } of text.matchAll(separator)) {
    let end = index;
    // JSON in JSON.
    while (end > 0 && index - end < LONGEST_NAME && text[end - 1] === '\\') end -= 1;
    let begin = end;
    while (begin > 0 && end - begin < LONGEST_NAME && /[\w.[\]-]/.test(text[begin - 1] ?? '')) begin -= 1;
    yield text.slice(begin, end).toLowerCase();
  }
}

/** What must not be written down with a message. */
export interface Unkept {
  readonly payload: unknown;
  /** The patch that the payload holds, and what the names of its secrets contain. */
  readonly patch?: { readonly content: JsonObject; readonly secretNames: readonly string[] } | undefined;
}

/**
 * Returns the properties of a message that are kept: plain JSON, up to 64 KiB. The payload, what HTTP brought, and whatever
 * holds the payload again are left out. What looks like a secret by its name, and the secrets of a patch, are masked.
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
    // The mask may be longer than what it stands for.
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

  /** @returns undefined for what is left out */
  member(name: string, value: unknown, depth: number): unknown {
    // A form that was read as another kind of text has the secret in its name.
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

  /** Whether a text holds a secret with its name, as JSON, a URL, a form or a header does. */
  #namesSecret(text: string): boolean {
    for (const name of namesIn(text)) {
      const words = name.split(/[.[\]-]/);
      const isSecret = words.some((word) => secretBeginnings.some((each) => word.startsWith(each)));
      if (isSecret || this.#isSecretName(name)) return true;
    }
    return false;
  }

  /** Whether a text is the patch, however it is written. */
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

/** The texts of which a copy of the payload holds one; none where it is larger than what is kept of a message. */
function textsOf(payload: unknown): string[] {
  const isText = typeof payload === 'string';
  // Not instanceof: what a function node makes comes from another realm.
  if (!isText && !types.isUint8Array(payload)) return [];
  if (payload.length < LONG_SECRET || payload.length > MAX_KEPT) return [];
  if (isText) return [payload];
  const bytes = Buffer.from(payload);
  return [bytes.toString('base64'), bytes.toString('hex'), bytes.toString('latin1'), bytes.toString(), bytes.join(',')];
}

/** The texts and numbers at which a patch differs from its masked copy. */
function differences(value: unknown, masked: unknown): string[] {
  if (typeof value === 'string' || typeof value === 'number') return value === masked ? [] : [String(value)];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) =>
    differences(each, typeof masked === 'object' && masked !== null ? Reflect.get(masked, name) : undefined),
  );
}

/** undefined for what is not plain JSON: what is circular, a Buffer, an object with a class, a getter that throws. */
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
