/**
 * Decimal text of 64-bit integers, as strict as Redis: no spaces, no `+`, no leading zeros, no `-0`. Up to 15 digits
 * are handled as plain numbers, so that counters of usual size allocate nothing.
 */
const ZERO = 0x30;
const MINUS = 0x2d;
/** Ten to this power is below 2^53. */
const NUMBER_DIGITS_MAX = 15;
/** The longest is -9223372036854775808. */
export const INT64_TEXT_BYTES_MAX = 20;

export const INT64_MIN = -(2n ** 63n);
export const INT64_MAX = 2n ** 63n - 1n;

/** The integer that `bytes[start, end)` spells: a number when it has 15 digits or fewer, null when it is none. */
export function parseInt64(bytes: Uint8Array, start: number, end: number): number | bigint | null {
  const negative = bytes[start] === MINUS && end > start;
  const digitsAt = negative ? start + 1 : start;
  const digits = end - digitsAt;
  if (digits === 0 || end - start > INT64_TEXT_BYTES_MAX) return null;
  if (bytes[digitsAt] === ZERO && (digits > 1 || negative)) return null;
  // Two halves, each exact as a number.
  const split = Math.max(digitsAt, end - NUMBER_DIGITS_MAX);
  const high = parseDigits(bytes, digitsAt, split);
  const low = parseDigits(bytes, split, end);
  if (high < 0 || low < 0) return null;
  if (high === 0) return negative ? -low : low;
  const magnitude = BigInt(high) * 10n ** BigInt(NUMBER_DIGITS_MAX) + BigInt(low);
  const value = negative ? -magnitude : magnitude;
  return value >= INT64_MIN && value <= INT64_MAX ? value : null;
}

/** -1 when anything but a digit is met; 0 for no digits at all. */
function parseDigits(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Writes the decimal text of a safe integer to the end of `into`; returns where it begins. */
export function printInteger(value: number, into: Uint8Array): number {
  let at = into.length;
  let rest = Math.abs(value);
  do {
    const tens = Math.floor(rest / 10);
    into[--at] = ZERO + (rest - tens * 10);
    rest = tens;
  } while (rest > 0);
  if (value < 0) into[--at] = MINUS;
  return at;
}

/** The same for any 64-bit integer. */
export function printBigInt(value: bigint, into: Uint8Array): number {
  const text = value.toString();
  const at = into.length - text.length;
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i);
  return at;
}
