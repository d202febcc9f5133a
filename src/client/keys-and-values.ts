/** Keys and values between callers and the wire: bytes as they are, strings as UTF-8, everything else as JSON. */
import { copyBytes, QuorateError } from '../base/index.js';
import { invalidArgument } from './invalid-argument.js';

/** A string is its UTF-8 bytes. At most 65,535 bytes. */
export type Key = string | Uint8Array;

/**
 * Bytes are stored as they are, strings as UTF-8, and plain objects, arrays, numbers, booleans and null as JSON.
 * Bytes must not be changed before the call's promise is settled.
 */
export type Value = Uint8Array | string | number | boolean | object | null;

const KEY_BYTES_MAX = 65_535;
const VALUE_ACCEPTED =
  'a Uint8Array, a string, or what JSON can say: a plain object, array, finite number, boolean or null';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Throws INVALID_ARGUMENT. */
export function encodeKey(key: unknown, name = 'key'): Uint8Array {
  const bytes = typeof key === 'string' ? encoder.encode(key) : key;
  if (!(bytes instanceof Uint8Array)) throw invalidArgument(name, key, 'a string or a Uint8Array');
  if (bytes.length > KEY_BYTES_MAX) {
    throw new QuorateError(
      'INVALID_ARGUMENT',
      `${name}: ${bytes.length} bytes are too many; give at most ${KEY_BYTES_MAX}`,
      { argument: name },
    );
  }
  return bytes;
}

/** Throws INVALID_ARGUMENT. */
export function encodeValue(value: unknown, name = 'value'): Uint8Array {
  if (typeof value === 'string') return encoder.encode(value);
  if (value instanceof Uint8Array) return value;
  if (!isJson(value)) throw invalidArgument(name, value, VALUE_ACCEPTED);
  let text: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw invalidArgument(name, value, VALUE_ACCEPTED, error);
  }
  if (typeof text !== 'string') throw invalidArgument(name, value, VALUE_ACCEPTED);
  return encoder.encode(text);
}

/** What JSON.stringify says in full. It would write a Map as `{}` and NaN as `null`: such values are refused. */
function isJson(value: unknown): boolean {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object') return false;
  if (Array.isArray(value) || 'toJSON' in value) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || isForeignPlain(prototype);
}

/** `Object.prototype` of another realm (a worker's context, a test runner's). */
function isForeignPlain(prototype: unknown): boolean {
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'hasOwnProperty')
  );
}

/** Of `bytes[start, end)`: a copy, so that it doesn't keep a whole message alive. */
export function decodeBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return copyBytes(bytes, start, end);
}

export function decodeString(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}

/** Throws WRONG_TYPE when the value is no JSON. */
export function decodeJson(bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return JSON.parse(decodeString(bytes, start, end));
  } catch (error) {
    throw new QuorateError('WRONG_TYPE', 'the value is not JSON', {}, { cause: error });
  }
}
