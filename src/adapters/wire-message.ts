/** Messages as proto-loader gives and takes them, and the checks of what came off the wire. */
import { QuorateError } from '../base/index.js';
import type { ControlMethod, ControlMethods } from '../ports/index.js';

/** camelCase fields, enums by name, unset messages null. */
export type WireMessage = Readonly<Record<string, unknown>>;

export interface MethodCodec<M extends ControlMethod> {
  readonly encodeRequest: (request: ControlMethods[M]['request']) => WireMessage;
  readonly decodeRequest: (wire: WireMessage) => ControlMethods[M]['request'];
  readonly encodeResponse: (response: ControlMethods[M]['response']) => WireMessage;
  readonly decodeResponse: (wire: WireMessage) => ControlMethods[M]['response'];
}

export function malformed(what: string): never {
  throw new QuorateError('INVALID_ARGUMENT', `malformed control message: ${what}`);
}

export function message(value: unknown): WireMessage {
  if (typeof value !== 'object' || value === null) malformed('a part is missing');
  return value as WireMessage;
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : malformed('expected text');
}

export function integer(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : malformed('expected an integer');
}

export function bytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : malformed('expected bytes');
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : malformed('expected a list');
}
