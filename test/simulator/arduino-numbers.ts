/** Numbers as ArduinoJson 6.11 reads and writes them, in single precision (parseNumber.hpp, FloatParts.hpp). */

const single = Math.fround;
const POWERS = [1e1, 1e2, 1e4, 1e8, 1e16, 1e32].map(single);
const NEGATIVE_POWERS = [1e-1, 1e-2, 1e-4, 1e-8, 1e-16, 1e-32].map(single);
const NEGATIVE_POWERS_PLUS_ONE = [1, 1e-1, 1e-3, 1e-7, 1e-15, 1e-31].map(single);

const MAX_UINT = 2 ** 32 - 1;
/** A number with a larger exponent becomes infinite, or 0 if the exponent is negative. */
const MAX_EXPONENT = 38;
/** Limit of the digits that are kept of a number that is not whole. */
const MAX_MANTISSA = 2 ** 23 - 1;

/** Reads a number. @returns undefined if the text is not a number */
export function parseNumber(text: string): { whole: boolean; value: number } | undefined {
  const match = /^([+-]?)(\d*)(?:(\.)(\d*))?(?:[eE]([+-]?)(\d*))?$/.exec(text);
  if (!match) return undefined;
  const [, sign, whole = '', dot, fraction = '', exponentSign, exponentDigits] = match;
  if (whole === '' && dot === undefined) return undefined;
  const negative = sign === '-';
  const signed = (value: number): number => (negative ? -value : value);

  let mantissa = 0;
  let exponent = 0;
  let taken = 0;
  for (const digit of whole) {
    if (mantissa > Math.floor(MAX_UINT / 10)) break;
    mantissa *= 10;
    // The dropped digit still counts as a power of ten, although the mantissa has already been multiplied.
    if (mantissa > MAX_UINT - Number(digit)) break;
    mantissa += Number(digit);
    taken += 1;
  }
  // The sign is stored in addition to the 32 bits, so that -0 and -4294967295 stay whole.
  if (taken === whole.length && dot === undefined && exponentDigits === undefined) {
    return { whole: true, value: signed(mantissa) };
  }
  for (; mantissa > MAX_MANTISSA; exponent += 1) mantissa = Math.floor(mantissa / 10);
  exponent += whole.length - taken;
  for (const digit of fraction) {
    if (mantissa >= Math.floor(MAX_MANTISSA / 10)) break;
    mantissa = mantissa * 10 + Number(digit);
    exponent -= 1;
  }
  const written = Number(exponentDigits ?? 0);
  if (written + exponent > MAX_EXPONENT && exponentDigits !== undefined) {
    return { whole: false, value: signed(exponentSign === '-' ? 0 : Infinity) };
  }
  const value = scale(single(mantissa), exponent + (exponentSign === '-' ? -written : written));
  return { whole: false, value: signed(value) };
}

function scale(mantissa: number, exponent: number): number {
  const powers = exponent > 0 ? POWERS : NEGATIVE_POWERS;
  let value = mantissa;
  for (let index = 0, left = Math.abs(exponent); left > 0; index += 1, left >>= 1) {
    if (left & 1) value = single(value * (powers[index] ?? (exponent > 0 ? Infinity : 0)));
  }
  return value;
}

/** Writes a number with up to seven digits: six decimals, minus one for each digit after the first before the point. */
export function writeFloat(number: number): string {
  if (Number.isNaN(number)) return 'null';
  const sign = number < 0 ? '-' : '';
  if (!Number.isFinite(number)) return 'null';
  const { value, exponent: power } = normalize(Math.abs(number));
  let exponent = power;
  let integral = Math.trunc(value);
  let places = 6;
  let unit = 1e6;
  for (let left = integral; left >= 10; left = Math.floor(left / 10)) {
    unit /= 10;
    places -= 1;
  }
  const remainder = single(single(value - single(integral)) * single(unit));
  let decimal = Math.trunc(remainder);
  decimal += Math.trunc(single(single(remainder - single(decimal)) * 2));
  if (decimal >= unit) {
    decimal = 0;
    integral += 1;
    if (exponent !== 0 && integral >= 10) {
      exponent += 1;
      integral = 1;
    }
  }
  for (; decimal % 10 === 0 && places > 0; places -= 1) decimal /= 10;
  const decimals = places > 0 ? `.${String(decimal).padStart(places, '0')}` : '';
  return `${sign}${integral}${decimals}${exponent === 0 ? '' : `e${exponent}`}`;
}

/** Scales very large and very small numbers to between 1 and 10. */
function normalize(number: number): { value: number; exponent: number } {
  let value = number;
  let exponent = 0;
  if (value >= 1e7) {
    for (let index = 5; index >= 0; index -= 1) {
      if (value < (POWERS[index] ?? 0)) continue;
      value = single(value * (NEGATIVE_POWERS[index] ?? 0));
      exponent += 1 << index;
    }
  }
  if (value > 0 && value <= 1e-5) {
    for (let index = 5; index >= 0; index -= 1) {
      if (value >= (NEGATIVE_POWERS_PLUS_ONE[index] ?? 0)) continue;
      value = single(value * (POWERS[index] ?? 0));
      exponent -= 1 << index;
    }
  }
  return { value, exponent };
}
