/**
 * Decimal integers as Redis reads them: an optional minus, no plus, no leading zeros, no blanks, within int64.
 */
const DIGIT_0 = 48;
const DIGIT_9 = 57;
const MINUS = 45;
const INT64_MIN = -(1n << 63n);
const INT64_MAX = (1n << 63n) - 1n;
/** The longest decimal that is certainly exact in a double. */
const SAFE_DIGITS = 15;

/** Whether `bytes[start, end)` is a canonical decimal; says nothing of its size. */
function isDecimal(bytes: Uint8Array, start: number, end: number): boolean {
  const negative = start < end && bytes[start] === MINUS;
  const first = negative ? start + 1 : start;
  const digits = end - first;
  if (digits < 1 || digits > 19) return false;
  for (let i = first; i < end; i++) {
    const c = bytes[i] as number;
    if (c < DIGIT_0 || c > DIGIT_9) return false;
  }
  return bytes[first] !== DIGIT_0 || (digits === 1 && !negative);
}

/** The number, or NaN when the bytes are no int64. Exact up to 2^53; above, the nearest double: only compare those. */
export function parseInteger(bytes: Uint8Array, start: number, end: number): number {
  if (!isDecimal(bytes, start, end)) return NaN;
  const negative = bytes[start] === MINUS;
  const first = negative ? start + 1 : start;
  if (end - first > SAFE_DIGITS) {
    const exact = parseInt64(bytes, start, end);
    return exact === null ? NaN : Number(exact);
  }
  let value = 0;
  for (let i = first; i < end; i++) value = value * 10 + ((bytes[i] as number) - DIGIT_0);
  return negative ? -value : value;
}

/** The exact number, or null when the bytes are no int64. */
export function parseInt64(bytes: Uint8Array, start: number, end: number): bigint | null {
  if (!isDecimal(bytes, start, end)) return null;
  let value = 0n;
  const negative = bytes[start] === MINUS;
  for (let i = negative ? start + 1 : start; i < end; i++) {
    value = value * 10n + BigInt((bytes[i] as number) - DIGIT_0);
  }
  if (negative) value = -value;
  return value < INT64_MIN || value > INT64_MAX ? null : value;
}
