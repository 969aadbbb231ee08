/** JSON as ArduinoJson reads, stores and writes it: in a pool of fixed size, and more lenient than the standard. */
import { DOUBLE, parseNumber, type Precision, SINGLE, writeFloat } from './arduino-numbers';
import { byteLength } from './bytes';

/** Bytes of a member or an array element on a 32-bit chip. */
const SLOT = 16;
/** ARDUINOJSON_DEFAULT_NESTING_LIMIT. */
const NESTING = 10;

/** What a version of ArduinoJson reads and writes. */
export interface Json {
  readonly numbers: Precision;
  readonly comments: boolean;
  /** Whether escapes of the form \u are read, or refused. */
  readonly unicode: boolean;
  /** Whether any other letter after a backslash stands for itself, or is refused. */
  readonly anyEscape: boolean;
}

/** ArduinoJson 6.11, as the original firmware has it. */
export const JSON_6_11: Json = { numbers: SINGLE, comments: true, unicode: false, anyEscape: true };
/** ArduinoJson 6.21, as version 4 of the maintained fork has it. */
export const JSON_6_21: Json = { numbers: DOUBLE, comments: false, unicode: true, anyEscape: false };

export type Value = null | boolean | string | Whole | Real | ObjectValue | ArrayValue;

/** A number without fraction and exponent that its version of ArduinoJson stores as an integer. */
export class Whole {
  /** @param text as it is written; the value of more than 53 bits is not exact */
  constructor(
    readonly value: number,
    readonly text: string,
  ) {}
}

/** Any other number. */
export class Real {
  constructor(readonly value: number) {}
}

/** A member of an object. The key is null if there was no memory for it. A key may occur twice. */
interface Member {
  key: string | null;
  value: Value;
}

export class ObjectValue {
  members: Member[] = [];

  get(key: string): Value | undefined {
    return this.#find(key)?.value;
  }

  remove(key: string): void {
    const found = this.#find(key);
    this.members = this.members.filter((member) => member !== found);
  }

  /** Sets a member. A value that does not fit into the pool silently becomes null or is missing. */
  set(pool: Pool, key: string, value: Value): void {
    const member = this.#find(key) ?? this.add(pool, key);
    if (member) copy(pool, value, (copied) => (member.value = copied));
  }

  /** Adds a member. @returns undefined without memory for slot or key; a slot without a key stays */
  add(pool: Pool, key: string): Member | undefined {
    if (!pool.take(SLOT)) return undefined;
    const member: Member = { key: null, value: null };
    this.members.push(member);
    if (!pool.text(key)) return undefined;
    member.key = key;
    return member;
  }

  #find(key: string): Member | undefined {
    return this.members.find((member) => member.key === key);
  }
}

class ArrayValue {
  items: Value[] = [];
}

/** The memory of a JsonDocument. */
export class Pool {
  #free: number;

  /** @param bytes capacity */
  constructor(bytes: number) {
    this.#free = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#free) return false;
    this.#free -= bytes;
    return true;
  }

  text(text: string): boolean {
    return this.take(byteLength(text) + 1);
  }
}

/** Copies a value. Stops at the first failure. @returns whether the whole value was copied */
function copy(pool: Pool, value: Value, set: (copied: Value) => void): boolean {
  if (typeof value === 'string') {
    const fits = pool.text(value);
    set(fits ? value : null);
    return fits;
  }
  if (value instanceof ObjectValue) {
    const object = new ObjectValue();
    set(object);
    return value.members.every(({ key, value: item }) => {
      const member = object.add(pool, key ?? 'null');
      return member !== undefined && copy(pool, item, (copied) => (member.value = copied));
    });
  }
  if (!(value instanceof ArrayValue)) {
    set(value);
    return true;
  }
  const array = new ArrayValue();
  set(array);
  return value.items.every((item) => {
    if (!pool.take(SLOT)) return false;
    const index = array.items.push(null) - 1;
    return copy(pool, item, (copied) => (array.items[index] = copied));
  });
}

/**
 * Reads JSON as deserializeJson() does. It accepts single quotes, keys without quotes, and anything behind the value;
 * it refuses trailing commas and a byte order mark.
 *
 * @param inPlace whether the text is writable, as a `char[]` is: texts then use no memory of the pool
 * @returns undefined if the text is refused for any reason
 */
export function deserialize(text: string, pool: Pool, inPlace: boolean, json = JSON_6_11): Value | undefined {
  const reader = new Reader(text, pool, inPlace, json);
  try {
    return reader.value(NESTING);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

class Refused extends Error {}

const BLANK = /[ \t\r\n]*/y;
const BLANK_OR_COMMENT = /(?:[ \t\r\n]|\/\*[^]*?\*\/|\/\/[^\n]*)*/y;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Reader {
  readonly #text: string;
  readonly #pool: Pool;
  readonly #inPlace: boolean;
  readonly #json: Json;
  #at = 0;

  constructor(text: string, pool: Pool, inPlace: boolean, json: Json) {
    // A C string ends at its first NUL.
    this.#text = text.split('\0', 1)[0] ?? '';
    this.#pool = pool;
    this.#inPlace = inPlace;
    this.#json = json;
  }

  value(nesting: number): Value {
    this.#skip();
    const first = this.#current;
    if (first === '{') return this.#object(nesting);
    if (first === '[') return this.#array(nesting);
    return first === '"' || first === "'" ? this.#owned(this.#quoted()) : this.#word();
  }

  get #current(): string {
    return this.#text[this.#at] ?? '';
  }

  #object(nesting: number): ObjectValue {
    this.#enter(nesting);
    const object = new ObjectValue();
    if (this.#eat('}')) return object;
    do {
      this.#take(SLOT);
      this.#skip();
      const quoted = this.#current === '"' || this.#current === "'";
      const key = this.#owned(quoted ? this.#quoted() : this.#unquoted(Infinity));
      if (!quoted && key === '') throw new Refused();
      if (!this.#eat(':')) throw new Refused();
      object.members.push({ key, value: this.value(nesting - 1) });
    } while (this.#eat(','));
    if (!this.#eat('}')) throw new Refused();
    return object;
  }

  #array(nesting: number): ArrayValue {
    this.#enter(nesting);
    const array = new ArrayValue();
    if (this.#eat(']')) return array;
    do {
      this.#take(SLOT);
      array.items.push(this.value(nesting - 1));
    } while (this.#eat(','));
    if (!this.#eat(']')) throw new Refused();
    return array;
  }

  #enter(nesting: number): void {
    if (nesting === 0) throw new Refused();
    this.#at += 1;
  }

  #quoted(): string {
    const end = this.#current;
    let result = '';
    for (this.#at += 1; this.#current !== end; this.#at += 1) {
      if (this.#current === '') throw new Refused();
      if (this.#current === '\\') {
        this.#at += 1;
        result += this.#escape(this.#text[this.#at] ?? '');
      } else {
        result += this.#current;
      }
    }
    this.#at += 1;
    return result;
  }

  /** @param letter behind the backslash */
  #escape(letter: string): string {
    const { unicode, anyEscape } = this.#json;
    if (letter === 'u') {
      const digits = this.#text.slice(this.#at + 1, this.#at + 5);
      if (!unicode || !/^[\da-f]{4}$/i.test(digits)) throw new Refused();
      this.#at += 4;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const meant = ESCAPES[letter] ?? (anyEscape ? letter : '');
    if (meant === '') throw new Refused();
    return meant;
  }

  #unquoted(most: number): string {
    const start = this.#at;
    while (/[\w`+.-]/.test(this.#current) && this.#at - start < most) this.#at += 1;
    return this.#text.slice(start, this.#at);
  }

  #word(): Value {
    const word = this.#unquoted(63);
    if (word === 'true') return true;
    if (word === 'false') return false;
    if (word === 'null') return null;
    const number = parseNumber(word, this.#json.numbers);
    if (number === undefined) throw new Refused();
    return number.whole ? new Whole(number.value, number.text) : new Real(number.value);
  }

  #owned(text: string): string {
    if (!this.#inPlace && !this.#pool.text(text)) throw new Refused();
    return text;
  }

  #take(bytes: number): void {
    if (!this.#pool.take(bytes)) throw new Refused();
  }

  #eat(character: string): boolean {
    this.#skip();
    if (this.#current !== character) return false;
    this.#at += 1;
    return true;
  }

  #skip(): void {
    const blank = this.#json.comments ? BLANK_OR_COMMENT : BLANK;
    blank.lastIndex = this.#at;
    this.#at += blank.exec(this.#text)?.[0].length ?? 0;
  }
}

/** Writes compact JSON as serializeJson() does. */
export function serialize(value: Value, json = JSON_6_11): string {
  if (value instanceof ObjectValue) {
    const members = value.members.map(({ key, value: item }) => `${quote(key)}:${serialize(item, json)}`);
    return `{${members.join(',')}}`;
  }
  if (value instanceof ArrayValue) return `[${value.items.map((item) => serialize(item, json)).join(',')}]`;
  if (value instanceof Whole) return value.text;
  if (value instanceof Real) return writeFloat(value.value, json.numbers);
  return typeof value === 'string' ? quote(value) : String(value);
}

function quote(text: string | null): string {
  if (text === null) return 'null';
  const escapes = Object.entries(ESCAPES).filter(([letter]) => letter !== '/');
  const characters = Array.from(text, (character) => {
    const escape = escapes.find(([, meant]) => meant === character);
    return escape ? `\\${escape[0]}` : character;
  });
  return `"${characters.join('')}"`;
}
