/**
 * JSON as ArduinoJson 6.11 reads, stores and writes it: in a pool of fixed size, and more lenient than the standard.
 */
import { parseNumber, writeFloat } from './arduino-numbers';
import { byteLength } from './bytes';

/** Bytes of a member or an array element on a 32-bit chip. */
const SLOT = 16;
/** ARDUINOJSON_DEFAULT_NESTING_LIMIT. */
const NESTING = 10;

export type Value = null | boolean | string | Whole | Single | ObjectValue | ArrayValue;

/** A number without fraction and exponent that has at most 32 bits plus its sign, including -0. */
export class Whole {
  constructor(readonly value: number) {}
}

/** Any other number, in single precision. */
export class Single {
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
 * Reads JSON as deserializeJson() does. It accepts comments, single quotes, keys without quotes, and anything behind
 * the value; it refuses escapes of the form \u, trailing commas and a byte order mark. Any other letter after a
 * backslash stands for itself.
 *
 * @param inPlace whether the text is writable, as a `char[]` is: texts then use no memory of the pool
 * @returns undefined if the text is refused for any reason
 */
export function deserialize(text: string, pool: Pool, inPlace: boolean): Value | undefined {
  const reader = new Reader(text, pool, inPlace);
  try {
    return reader.value(NESTING);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

class Refused extends Error {}

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
  #at = 0;

  constructor(text: string, pool: Pool, inPlace: boolean) {
    // A C string ends at its first NUL.
    this.#text = text.split('\0', 1)[0] ?? '';
    this.#pool = pool;
    this.#inPlace = inPlace;
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
        const letter = this.#text[this.#at] ?? '';
        if (letter === '' || letter === 'u') throw new Refused();
        result += ESCAPES[letter] ?? letter;
      } else {
        result += this.#current;
      }
    }
    this.#at += 1;
    return result;
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
    const number = parseNumber(word);
    if (number === undefined) throw new Refused();
    return number.whole ? new Whole(number.value) : new Single(number.value);
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
    const blank = /(?:[ \t\r\n]|\/\*[^]*?\*\/|\/\/[^\n]*)*/y;
    blank.lastIndex = this.#at;
    this.#at += blank.exec(this.#text)?.[0].length ?? 0;
  }
}

/** Writes compact JSON as serializeJson() does. */
export function serialize(value: Value): string {
  if (value instanceof ObjectValue) {
    const members = value.members.map(({ key, value: item }) => `${quote(key)}:${serialize(item)}`);
    return `{${members.join(',')}}`;
  }
  if (value instanceof ArrayValue) return `[${value.items.map(serialize).join(',')}]`;
  if (value instanceof Whole) return Object.is(value.value, -0) ? '-0' : String(value.value);
  if (value instanceof Single) return writeFloat(value.value);
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
