/** Numbers as ArduinoJson reads and writes them (parseNumber.hpp, FloatParts.hpp). */

/** How precise a build of ArduinoJson is. */
export interface Precision {
  /** Rounds to what a number with a fraction is stored in. */
  readonly round: (value: number) => number;
  /** 10, 100, 10,000 … up to the largest that can be stored. */
  readonly powers: readonly number[];
  readonly negativePowers: readonly number[];
  readonly negativePowersPlusOne: readonly number[];
  /** Limits of a number without fraction and exponent. */
  readonly maxWhole: bigint;
  readonly minWhole: bigint;
  /** Whether -0 is kept. */
  readonly negativeZero: boolean;
  /** A number with a larger exponent becomes infinite, or 0 if the exponent is negative. */
  readonly maxExponent: number;
  /** Limit of the digits that are kept of a number that is not whole. */
  readonly maxMantissa: bigint;
  /** Most decimals. */
  readonly places: number;
}

function powersOfTen(count: number, round: (value: number) => number) {
  const exponents = Array.from({ length: count }, (_, index) => 2 ** index);
  const power = (exponent: number) => round(Number(`1e${exponent}`));
  return {
    round,
    powers: exponents.map((exponent) => power(exponent)),
    negativePowers: exponents.map((exponent) => power(-exponent)),
    negativePowersPlusOne: exponents.map((exponent) => power(1 - exponent)),
  };
}

/**
 * ArduinoJson 6.11 on these chips. The sign is stored in addition to the 32 bits, so that -0 and -4294967295 stay
 * whole.
 */
export const SINGLE: Precision = {
  ...powersOfTen(6, Math.fround),
  maxWhole: 2n ** 32n - 1n,
  minWhole: 1n - 2n ** 32n,
  negativeZero: true,
  maxExponent: 38,
  maxMantissa: 2n ** 23n - 1n,
  places: 6,
};

/** ArduinoJson 6.21 on these chips. */
export const DOUBLE: Precision = {
  ...powersOfTen(9, (value) => value),
  maxWhole: 2n ** 64n - 1n,
  minWhole: -(2n ** 63n),
  negativeZero: false,
  maxExponent: 308,
  maxMantissa: 2n ** 52n - 1n,
  places: 9,
};

/** A number that was read. A whole one has at most 64 bits, and so its own text. */
type Parsed = { whole: true; value: number; text: string } | { whole: false; value: number };

/** Reads a number. @returns undefined if the text is not a number */
export function parseNumber(text: string, precision = SINGLE): Parsed | undefined {
  const match = /^([+-]?)(\d*)(?:(\.)(\d*))?(?:[eE]([+-]?)(\d*))?$/.exec(text);
  if (!match) return undefined;
  const [, sign, whole = '', dot, fraction = '', exponentSign, exponentDigits] = match;
  if (whole === '' && dot === undefined) return undefined;
  const { maxWhole, minWhole, maxMantissa, maxExponent, round } = precision;
  const negative = sign === '-';
  const signed = (value: number): number => (negative ? -value : value);

  let mantissa = 0n;
  let exponent = 0;
  let taken = 0;
  for (const digit of whole) {
    if (mantissa > maxWhole / 10n) break;
    mantissa *= 10n;
    // The dropped digit still counts as a power of ten, although the mantissa has already been multiplied.
    if (mantissa > maxWhole - BigInt(digit)) break;
    mantissa += BigInt(digit);
    taken += 1;
  }
  if (taken === whole.length && dot === undefined && exponentDigits === undefined) {
    const value = negative ? -mantissa : mantissa;
    if (value === 0n && negative && precision.negativeZero) return { whole: true, value: -0, text: '-0' };
    if (value >= minWhole) return { whole: true, value: Number(value), text: String(value) };
  }
  for (; mantissa > maxMantissa; exponent += 1) mantissa /= 10n;
  exponent += whole.length - taken;
  for (const digit of fraction) {
    if (mantissa >= maxMantissa / 10n) break;
    mantissa = mantissa * 10n + BigInt(digit);
    exponent -= 1;
  }
  const written = Number(exponentDigits ?? 0);
  if (written + exponent > maxExponent && exponentDigits !== undefined) {
    return { whole: false, value: signed(exponentSign === '-' ? 0 : Infinity) };
  }
  const value = scale(round(Number(mantissa)), exponent + (exponentSign === '-' ? -written : written), precision);
  return { whole: false, value: signed(value) };
}

function scale(mantissa: number, exponent: number, { powers, negativePowers, round }: Precision): number {
  const factors = exponent > 0 ? powers : negativePowers;
  let value = mantissa;
  for (let index = 0, left = Math.abs(exponent); left > 0; index += 1, left >>= 1) {
    if (left & 1) value = round(value * (factors[index] ?? (exponent > 0 ? Infinity : 0)));
  }
  return value;
}

/**
 * Writes a number that is not whole: with six or nine decimals, minus one for each digit after the first before the
 * point.
 */
export function writeFloat(number: number, precision = SINGLE): string {
  const { round } = precision;
  if (Number.isNaN(number)) return 'null';
  const sign = number < 0 ? '-' : '';
  if (!Number.isFinite(number)) return 'null';
  const { value, exponent: power } = normalize(Math.abs(number), precision);
  let exponent = power;
  let integral = Math.trunc(value);
  let { places } = precision;
  let unit = 10 ** places;
  for (let left = integral; left >= 10; left = Math.floor(left / 10)) {
    unit /= 10;
    places -= 1;
  }
  const remainder = round(round(value - round(integral)) * round(unit));
  let decimal = Math.trunc(remainder);
  decimal += Math.trunc(round(round(remainder - round(decimal)) * 2));
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
function normalize(number: number, precision: Precision): { value: number; exponent: number } {
  const { powers, negativePowers, negativePowersPlusOne, round } = precision;
  const highest = powers.length - 1;
  let value = number;
  let exponent = 0;
  if (value >= 1e7) {
    for (let index = highest; index >= 0; index -= 1) {
      if (value < (powers[index] ?? 0)) continue;
      value = round(value * (negativePowers[index] ?? 0));
      exponent += 1 << index;
    }
  }
  if (value > 0 && value <= 1e-5) {
    for (let index = highest; index >= 0; index -= 1) {
      if (value >= (negativePowersPlusOne[index] ?? 0)) continue;
      value = round(value * (powers[index] ?? 0));
      exponent -= 1 << index;
    }
  }
  return { value, exponent };
}
