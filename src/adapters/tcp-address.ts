/** What the TCP adapters share: `HOST:PORT` and back (an IPv6 host stands in brackets), and plain bytes. */
import type { AddressInfo } from 'node:net';
import { QuorateError } from '../base/index.js';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Throws `INVALID_ARGUMENT` for anything else than HOST:PORT. */
export function parseAddress(address: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    throw new QuorateError('INVALID_ARGUMENT', `'${address}' is no address: expected HOST:PORT`, { address });
  }
  return { host, port };
}

/** The address that a server listens on: the host that was asked for, and the port that it got. */
export function boundAddress(asked: HostPort, info: AddressInfo | string | null): string {
  const port = info !== null && typeof info === 'object' ? info.port : asked.port;
  return formatAddress(asked.host, port);
}

export function formatAddress(host: string | undefined, port: number | undefined): string {
  const name = host ?? '?';
  return `${name.includes(':') ? `[${name}]` : name}:${port ?? 0}`;
}

/**
 * A socket's `Buffer` as a plain `Uint8Array` over the same memory. `Buffer.slice` shares memory where
 * `Uint8Array.slice` copies: a Buffer that got past the adapters would turn every copy into a view.
 */
export function plainBytes(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
