/**
 * Decimal numbers as text, added exactly: what INCRBYFLOAT counts in. Binary floating point would make 0.1 + 0.2 another
 * number than 0.3, and its printing is a matter of the engine; replicas must agree to the last digit for ever.
 *
 * Accepted: `[+-]digits[.digits][e[+-]digits]` with a digit somewhere before the `e`, and infinity by its names (which no
 * sum has). A sum is rounded, half to even, to 17 significant digits and to 17 digits behind the point.
 */
const ZERO = 0x30;
const POINT = 0x2e;
const PLUS = 0x2b;
const MINUS = 0x2d;
const LOWER_E = 0x65;
const CASE_BIT = 0x20;

/** Longer text is no number: a bound on the work. The longest that is printed here has some 310. */
const TEXT_BYTES_MAX = 512;
const SIGNIFICANT_DIGITS = 17;
const FRACTION_DIGITS_MAX = 17;
/** Digits before the point; doubles end in the same place. */
const INTEGER_DIGITS_MAX = 309;
/** What lies this far behind the point shows in no sum. */
const FRACTION_DIGITS_SEEN = 340;
const EXPONENT_MAX = 99_999;

/** `coefficient` times ten to the `exponent`. */
export interface Decimal {
  readonly coefficient: bigint;
  readonly exponent: number;
}

/** Null when the text spells no number; 'infinite' when it spells one that is too large. */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): Decimal | 'infinite' | null {
  if (end - start > TEXT_BYTES_MAX || end <= start) return null;
  const first = bytes[start] as number;
  const digitsAt = first === PLUS || first === MINUS ? start + 1 : start;
  if (isInfinity(bytes, digitsAt, end)) return 'infinite';
  let at = digitsAt;
  let digits = '';
  let pointAt = -1;
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    if (isDigit(byte)) digits += String.fromCharCode(byte);
    else if (byte === POINT && pointAt < 0) pointAt = at;
    else break;
  }
  if (digits === '') return null;
  const fraction = pointAt < 0 ? 0 : at - pointAt - 1;
  const power = at === end ? 0 : parseExponent(bytes, at, end);
  if (power === null) return null;
  const magnitude = BigInt(digits);
  const exponent = power - fraction;
  if (magnitude === 0n || digits.length + exponent < -FRACTION_DIGITS_SEEN) {
    return { coefficient: 0n, exponent: 0 };
  }
  if (magnitude.toString().length + exponent > INTEGER_DIGITS_MAX) return 'infinite';
  return { coefficient: first === MINUS ? -magnitude : magnitude, exponent };
}

/** The rounded sum as text; null when it is too large. */
export function addDecimals(a: Decimal, b: Decimal): string | null {
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = scaled(a, exponent) + scaled(b, exponent);
  const excess = Math.max(digitsOf(sum) - SIGNIFICANT_DIGITS, -exponent - FRACTION_DIGITS_MAX, 0);
  const text = print(roundedTo(sum, excess), exponent + excess);
  return integerDigits(text) > INTEGER_DIGITS_MAX ? null : text;
}

function scaled({ coefficient, exponent }: Decimal, to: number): bigint {
  return coefficient === 0n ? 0n : coefficient * 10n ** BigInt(exponent - to);
}

function digitsOf(value: bigint): number {
  return (value < 0n ? -value : value).toString().length;
}

/** Without its last `count` digits, half to even. */
function roundedTo(value: bigint, count: number): bigint {
  if (count === 0) return value;
  const unit = 10n ** BigInt(count);
  const quotient = value / unit;
  const rest = value % unit;
  const twice = 2n * (rest < 0n ? -rest : rest);
  if (twice < unit || (twice === unit && quotient % 2n === 0n)) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

/** Without an exponent and without zeros that say nothing. */
function print(coefficient: bigint, exponent: number): string {
  if (coefficient === 0n) return '0';
  if (exponent >= 0) return coefficient.toString() + '0'.repeat(exponent);
  const sign = coefficient < 0n ? '-' : '';
  const digits = (coefficient < 0n ? -coefficient : coefficient).toString().padStart(1 - exponent, '0');
  const whole = digits.slice(0, exponent);
  const fraction = digits.slice(exponent).replace(/0+$/, '');
  return sign + whole + (fraction === '' ? '' : '.' + fraction);
}

function integerDigits(text: string): number {
  const point = text.indexOf('.');
  return (point < 0 ? text.length : point) - (text.startsWith('-') ? 1 : 0);
}

function parseExponent(bytes: Uint8Array, at: number, end: number): number | null {
  if (((bytes[at] as number) | CASE_BIT) !== LOWER_E) return null;
  const sign = bytes[at + 1];
  const digitsAt = sign === PLUS || sign === MINUS ? at + 2 : at + 1;
  if (digitsAt >= end) return null;
  let value = 0;
  for (let i = digitsAt; i < end; i++) {
    const byte = bytes[i] as number;
    if (!isDigit(byte)) return null;
    value = Math.min(EXPONENT_MAX, value * 10 + byte - ZERO);
  }
  return sign === MINUS ? -value : value;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte < ZERO + 10;
}

function isInfinity(bytes: Uint8Array, start: number, end: number): boolean {
  return isName(bytes, start, end, 'inf') || isName(bytes, start, end, 'infinity');
}

function isName(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (((bytes[start + i] as number) | CASE_BIT) !== name.charCodeAt(i)) return false;
  }
  return true;
}
