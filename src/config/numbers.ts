/**
 * Models how a device changes a number each time it reads and writes it: whole numbers stay; all others are kept in
 * single precision, and lose digits both when read and when written (ArduinoJson 6.11, parseNumber.hpp, FloatTraits.hpp
 * and TextFormatter.hpp). ArduinoJson 6.21 does the same in double precision.
 */
import type { Precision } from '../homie/dialect';

interface Format {
  /** Rounds to the precision. */
  readonly round: (value: number) => number;
  readonly powers: readonly number[];
  readonly negativePowers: readonly number[];
  /** Numbers below one of these are multiplied by the power at the same index. */
  readonly negativePowersPlusOne: readonly number[];
  /** The largest mantissa that is read of a number with a fraction or an exponent. */
  readonly maxMantissa: number;
  /** The largest exponent. Beyond it, a number is infinite, or 0 if the exponent is negative. */
  readonly maxExponent: number;
  /** The most decimals that are written. */
  readonly decimals: number;
}

type Limits = Pick<Format, 'maxMantissa' | 'maxExponent' | 'decimals'>;

/** @param count number of powers that the precision can hold */
function formatOf(round: Format['round'], count: number, limits: Limits): Format {
  const indexes = Array.from({ length: count }, (_none, index) => 2 ** index);
  return {
    round,
    powers: indexes.map((power) => round(Number(`1e${power}`))),
    negativePowers: indexes.map((power) => round(Number(`1e-${power}`))),
    negativePowersPlusOne: indexes.map((power) => round(Number(`1e${1 - power}`))),
    ...limits,
  };
}

const formats: Readonly<Record<Precision, Format>> = {
  single: formatOf(Math.fround, 6, { maxMantissa: 2 ** 23 - 1, maxExponent: 38, decimals: 6 }),
  double: formatOf((value) => value, 9, { maxMantissa: 2 ** 52 - 1, maxExponent: 308, decimals: 9 }),
};

/** The largest whole number: its sign is stored apart from the 32 bits. */
const MAX_WHOLE = 2 ** 32 - 1;

/**
 * Returns a JSON text as a device writes it after reading it. A number of a patch is rewritten twice before it is
 * published, once into the file and once from the file, and again with each later rewriting of the file.
 */
export function rewriteNumbers(json: string, precision: Precision): string {
  return replaceNumbers(json, (number) => rewriteNumber(number, formats[precision]));
}

/**
 * Returns a published JSON text with its numbers as short as they may be in the file: a device publishes 8.68 as
 * 8.679999, and writes it like that when it writes its file the next time.
 */
export function shortestNumbers(json: string): string {
  return replaceNumbers(json, (number) => number.replace(/(\.\d)\d+/, '$1'));
}

function replaceNumbers(json: string, replace: (number: string) => string): string {
  let isText = false;
  return json.replace(/\\.|"|-?\d[\d.eE+-]*/g, (token) => {
    if (token === '"') isText = !isText;
    return isText || !/^-?\d/.test(token) ? token : replace(token);
  });
}

/** Returns the number that a device publishes after taking this one with a patch; undefined if it publishes null. */
export function publishedNumber(value: number, precision: Precision): number | undefined {
  const format = formats[precision];
  return numberOf(rewriteNumber(rewriteNumber(String(value), format), format));
}

/**
 * Returns the number that a device publishes in place of this one after its file was written once more; undefined if it
 * publishes null.
 */
export function rewrittenNumber(value: number, precision: Precision): number | undefined {
  return numberOf(rewriteNumber(String(value), formats[precision]));
}

function numberOf(text: string): number | undefined {
  return text === 'null' ? undefined : Number(text);
}

function rewriteNumber(text: string, format: Format): string {
  const [, sign = '', whole = '', fraction, exponentSign, exponent] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?)(\d+))?$/.exec(text) ?? [];
  const read = readWhole(whole);
  if (read.rest === 0 && fraction === undefined && exponent === undefined) return text;
  const size = readFraction(read, fraction ?? '', Number(exponent ?? 0) * (exponentSign === '-' ? -1 : 1), format);
  return size === Infinity ? 'null' : `${size > 0 ? sign : ''}${write(size, format)}`;
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

function readFraction({ mantissa: whole, rest }: Digits, fraction: string, written: number, format: Format): number {
  const { maxMantissa, maxExponent, round } = format;
  let mantissa = whole;
  let exponent = rest;
  for (; mantissa > maxMantissa; exponent += 1) mantissa = Math.floor(mantissa / 10);
  for (const digit of fraction) {
    if (mantissa >= Math.floor(maxMantissa / 10)) break;
    mantissa = mantissa * 10 + Number(digit);
    exponent -= 1;
  }
  if (written !== 0 && Math.abs(written) + exponent > maxExponent) return written < 0 ? 0 : Infinity;
  return scale(round(mantissa), exponent + written, format);
}

function scale(mantissa: number, exponent: number, { round, ...format }: Format): number {
  const powers = exponent > 0 ? format.powers : format.negativePowers;
  let value = mantissa;
  for (let index = 0, left = Math.abs(exponent); left > 0; index += 1, left >>= 1) {
    if (left & 1) value = round(value * (powers[index] ?? (exponent > 0 ? Infinity : 0)));
  }
  return value;
}

/** Writes all decimals, less one for each digit before the point after the first. */
function write(number: number, format: Format): string {
  const { round, decimals: most } = format;
  const { value, exponent } = normalize(number, format);
  let power = exponent;
  let whole = Math.trunc(value);
  let places = most + 1 - String(whole).length;
  const unit = 10 ** places;
  const remainder = round(round(value - round(whole)) * round(unit));
  let decimal = Math.trunc(remainder);
  decimal += Math.trunc(round(round(remainder - round(decimal)) * 2));
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
function normalize(number: number, { round, ...format }: Format): { value: number; exponent: number } {
  let value = number;
  let exponent = 0;
  const large = value >= 1e7;
  if (!large && (value === 0 || value > round(1e-5))) return { value, exponent };
  for (let index = format.powers.length - 1; index >= 0; index -= 1) {
    const [power = 1, inverse = 1, limit = 0] = [
      format.powers[index],
      format.negativePowers[index],
      format.negativePowersPlusOne[index],
    ];
    if (large ? value < power : value >= limit) continue;
    value = round(value * (large ? inverse : power));
    exponent += (large ? 1 : -1) * 2 ** index;
  }
  return { value, exponent };
}
