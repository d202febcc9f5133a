/** The error for a wrong argument: names it, says what was given and what is accepted. */
import { QuorateError } from '../base/index.js';

export function invalidArgument(
  name: string,
  given: unknown,
  accepted: string,
  cause?: unknown,
): QuorateError {
  return new QuorateError(
    'INVALID_ARGUMENT',
    `${name}: ${describe(given)} is not accepted; give ${accepted}`,
    { argument: name },
    cause === undefined ? undefined : { cause },
  );
}

const SHOWN_MAX = 40;

function describe(given: unknown): string {
  switch (typeof given) {
    case 'string':
      return given.length > SHOWN_MAX ? `"${given.slice(0, SHOWN_MAX)}…"` : `"${given}"`;
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(given);
    case 'bigint':
      return `${given}n`;
    case 'symbol':
    case 'function':
      return `a ${typeof given}`;
    case 'object':
      if (given === null) return 'null';
      if (Array.isArray(given)) return given.length === 0 ? 'an empty array' : 'an array';
      return `an object of ${given.constructor?.name ?? 'no class'}`;
    default:
      return typeof given;
  }
}

/** Refuses options that nobody knows, so that a slip of the pen is no silent default. */
export function checkOptions(options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument('options', options, `an object with any of ${known.join(', ')}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw invalidArgument('options', name, `any of ${known.join(', ')}`);
  }
}
