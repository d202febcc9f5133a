/** Times as callers write them: a number of milliseconds, or a number with a unit. */
import { invalidArgument } from './invalid-argument.js';

/** Milliseconds as an integer from 1, or `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^([0-9]{1,15})(ms|s|m|h|d)$/;
const ACCEPTED =
  "milliseconds as an integer from 1, or an integer with a unit such as '500ms', '30s', '5m', '2h', '1d'";

/** Throws INVALID_ARGUMENT naming the argument. The result is from 1 to `maxMs`. */
export function parseDuration(name: string, given: unknown, maxMs = Number.MAX_SAFE_INTEGER): number {
  const ms = typeof given === 'string' ? parseText(given) : given;
  if (typeof ms !== 'number' || !Number.isSafeInteger(ms) || ms < 1) {
    throw invalidArgument(name, given, ACCEPTED);
  }
  if (ms > maxMs) throw invalidArgument(name, given, `at most ${maxMs} ms`);
  return ms;
}

function parseText(text: string): number {
  const [, digits = '', unit = ''] = FORM.exec(text) ?? [];
  return Number(digits) * (UNIT_MS[unit] ?? NaN);
}
