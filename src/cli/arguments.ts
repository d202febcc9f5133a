/** Arguments of commands: text to values, or an error that says what was expected. */
import { InvalidArgumentError } from 'commander';

import { addressSchema } from '../settings/index.js';

const MS_PER: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** A whole number from `min` to `max`. */
export function countBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** `500ms`, `30s`, `2m`; a bare number means seconds. */
export function durationMs(text: string): number {
  const match = /^(\d{1,9})(ms|s|m)?$/.exec(text);
  if (!match) throw new InvalidArgumentError('Expected a duration such as 500ms, 30s or 2m.');
  return Number(match[1]) * (MS_PER[match[2] ?? 's'] ?? 1);
}

export function hostPort(text: string): string {
  const parsed = addressSchema.safeParse(text);
  if (!parsed.success || text.endsWith(':0')) {
    throw new InvalidArgumentError('Expected HOST:PORT, for example 127.0.0.1:7600.');
  }
  return text;
}
