/**
 * Models how a device changes a number each time it reads and writes it: whole numbers stay; all others are kept in
 * single precision, and lose digits both when read and when written (ArduinoJson 6.11, parseNumber.hpp, FloatTraits.hpp
 * and TextFormatter.hpp).
 */

const single = Math.fround;
const POWERS = [1e1, 1e2, 1e4, 1e8, 1e16, 1e32].map(single);
const NEGATIVE_POWERS = [1e-1, 1e-2, 1e-4, 1e-8, 1e-16, 1e-32].map(single);
/** Numbers below one of these are multiplied by the power at the same index. */
const NEGATIVE_POWERS_PLUS_ONE = [1, 1e-1, 1e-3, 1e-7, 1e-15, 1e-31].map(single);

/** The largest whole number: its sign is stored apart from the 32 bits. */
const MAX_WHOLE = 2 ** 32 - 1;
/** The largest mantissa that is read of a number with a fraction or an exponent. */
const MAX_MANTISSA = 2 ** 23 - 1;
/** The largest exponent. Beyond it, a number is infinite, or 0 if the exponent is negative. */
const MAX_EXPONENT = 38;

/**
 * Returns a JSON text as a device writes it after reading it. A number of a patch is rewritten twice before it is
 * published, once into the file and once from the file, and again with each later rewriting of the file.
 */
export function rewriteNumbers(json: string): string {
  let isText = false;
  return json.replace(/\\.|"|-?\d[\d.eE+-]*/g, (token) => {
    if (token === '"') isText = !isText;
    return isText || !/^-?\d/.test(token) ? token : rewriteNumber(token);
  });
}

/** Returns the number that a device publishes after taking this one with a patch; undefined if it publishes null. */
export function publishedNumber(value: number): number | undefined {
  return numberOf(rewriteNumber(rewriteNumber(String(value))));
}

/**
 * Returns the number that a device publishes in place of this one after its file was written once more; undefined if it
 * publishes null.
 */
export function rewrittenNumber(value: number): number | undefined {
  return numberOf(rewriteNumber(String(value)));
}

function numberOf(text: string): number | undefined {
  return text === 'null' ? undefined : Number(text);
}

function rewriteNumber(text: string): string {
  const [, sign = '', whole = '', fraction, exponentSign, exponent] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?)(\d+))?$/.exec(text) ?? [];
  const read = readWhole(whole);
  if (read.rest === 0 && fraction === undefined && exponent === undefined) return text;
  const size = readSingle(read, fraction ?? '', Number(exponent ?? 0) * (exponentSign === '-' ? -1 : 1));
  return size === Infinity ? 'null' : `${size > 0 ? sign : ''}${write(size)}`;
}

interface Digits {
  readonly mantissa: number;
  /** Number of digits that did not fit. */
  readonly rest: number;
}

/**
 * Reads as ArduinoJson does: the first digit that does not fit may leave the mantissa ten times too large, so
 * 4294967296 becomes 4.294967e10.
 */
function readWhole(digits: string): Digits {
  let mantissa = 0;
  for (const [index, digit] of Array.from(digits).entries()) {
    if (mantissa > Math.floor(MAX_WHOLE / 10)) return { mantissa, rest: digits.length - index };
    mantissa *= 10;
    if (mantissa > MAX_WHOLE - Number(digit)) return { mantissa, rest: digits.length - index };
    mantissa += Number(digit);
  }
  return { mantissa, rest: 0 };
}

function readSingle({ mantissa: whole, rest }: Digits, fraction: string, written: number): number {
  let mantissa = whole;
  let exponent = rest;
  for (; mantissa > MAX_MANTISSA; exponent += 1) mantissa = Math.floor(mantissa / 10);
  for (const digit of fraction) {
    if (mantissa >= Math.floor(MAX_MANTISSA / 10)) break;
    mantissa = mantissa * 10 + Number(digit);
    exponent -= 1;
  }
  if (written !== 0 && Math.abs(written) + exponent > MAX_EXPONENT) return written < 0 ? 0 : Infinity;
  return scale(single(mantissa), exponent + written);
}

function scale(mantissa: number, exponent: number): number {
  const powers = exponent > 0 ? POWERS : NEGATIVE_POWERS;
  let value = mantissa;
  for (let index = 0, left = Math.abs(exponent); left > 0; index += 1, left >>= 1) {
    if (left & 1) value = single(value * (powers[index] ?? (exponent > 0 ? Infinity : 0)));
  }
  return value;
}

/** Writes up to seven digits: six decimals, less one for each digit before the point after the first. */
function write(number: number): string {
  const { value, exponent } = normalize(number);
  let power = exponent;
  let whole = Math.trunc(value);
  let places = 7 - String(whole).length;
  const unit = 10 ** places;
  const remainder = single(single(value - single(whole)) * single(unit));
  let decimal = Math.trunc(remainder);
  decimal += Math.trunc(single(single(remainder - single(decimal)) * 2));
  if (decimal >= unit) {
    decimal = 0;
    whole += 1;
    if (power !== 0 && whole >= 10) {
      power += 1;
      whole = 1;
    }
  }
  for (; decimal % 10 === 0 && places > 0; places -= 1) decimal /= 10;
  const decimals = places > 0 ? `.${String(decimal).padStart(places, '0')}` : '';
  return `${whole}${decimals}${power === 0 ? '' : `e${power}`}`;
}

/** Scales numbers of 10,000,000 and more, and of 0.00001 and less, to between 1 and 10. */
function normalize(number: number): { value: number; exponent: number } {
  let value = number;
  let exponent = 0;
  const large = value >= 1e7;
  if (!large && (value === 0 || value > single(1e-5))) return { value, exponent };
  for (let index = POWERS.length - 1; index >= 0; index -= 1) {
    const [power = 1, inverse = 1, limit = 0] = [
      POWERS[index],
      NEGATIVE_POWERS[index],
      NEGATIVE_POWERS_PLUS_ONE[index],
    ];
    if (large ? value < power : value >= limit) continue;
    value = single(value * (large ? inverse : power));
    exponent += (large ? 1 : -1) * 2 ** index;
  }
  return { value, exponent };
}
