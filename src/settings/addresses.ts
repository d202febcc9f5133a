/**
 * Listening addresses: which ports follow from the gRPC one, who may be reached from where, and what is never told
 * to others. Port 0 (a free one, for tests) stays 0.
 */
import type { NodeSettings } from './schema.js';

/** Listeners whose address follows from the gRPC one where it isn't given. */
export const LISTENERS = ['grpc', 'peer', 'resp', 'http'] as const;
export type ListenerName = (typeof LISTENERS)[number];

/** So that a local cluster on gRPC 7600.. has peers on 7650.., RESP on 7379.. and HTTP on 7700... */
const OFFSET_FROM_GRPC: Readonly<Record<Exclude<ListenerName, 'grpc'>, number>> = {
  peer: 50,
  resp: -221,
  http: 100,
};

export interface HostPort {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
}

/** Splits a HOST:PORT that the schema accepted. */
export function splitAddress(address: string): HostPort {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port: Number(address.slice(colon + 1)) };
}

export function joinAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The address that follows from the gRPC one, or null when its port would not exist. */
export function deriveAddress(grpc: string, listener: Exclude<ListenerName, 'grpc'>): string | null {
  const { host, port } = splitAddress(grpc);
  if (port === 0) return joinAddress(host, 0);
  const derived = port + OFFSET_FROM_GRPC[listener];
  return derived >= 1 && derived <= 65535 ? joinAddress(host, derived) : null;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** "All interfaces": fine to listen on, meaningless to anybody else. */
export function isUnspecified(host: string): boolean {
  return /^0+(\.0+){0,3}$/.test(host) || /^[0:]*:[0:]*(\.?0)*$/.test(host);
}

/** What is wrong with where this node listens and what it tells others; one line each. */
export function checkAddresses(settings: NodeSettings): string[] {
  const problems: string[] = [];
  const advertised = settings.advertiseHost.replace(/^\[(.*)\]$/, '$1');
  if (isUnspecified(advertised) && advertised !== '') {
    problems.push(`advertiseHost: expected a host that others can reach, got "${settings.advertiseHost}"`);
  }
  if (/[\s/]|:\d+$/.test(settings.advertiseHost) && !settings.advertiseHost.includes('::')) {
    problems.push(`advertiseHost: expected a host without a port, got "${settings.advertiseHost}"`);
  }
  const names = new Map<string, string>();
  for (const { name: listener, address, advertise } of listeningAddresses(settings)) {
    const { host, port } = splitAddress(address);
    const other = names.get(address);
    if (other !== undefined && port !== 0) {
      problems.push(
        `${listener}: ${address} is given to ${other} already; each listener needs one of its own`,
      );
    }
    names.set(address, listener);
    if (advertise !== '' && isUnspecified(splitAddress(advertise).host)) {
      problems.push(`${listener}: expected a host in advertise= that others can reach, got ${advertise}`);
    }
    if (!isLoopback(host) && !settings.insecure) {
      problems.push(
        `${listener}: ${address} can be reached from other machines, and there is no authentication yet; ` +
          'listen on 127.0.0.1, or accept that with --insecure',
      );
    }
    if (isUnspecified(host) && advertised === '' && advertise === '') {
      problems.push(
        `${listener}: ${address} means nothing to other nodes; say with --advertise-host HOST where they find this one`,
      );
    }
  }
  return problems;
}

interface Listening {
  readonly name: ListenerName;
  readonly address: string;
  /** Empty: follows from `advertiseHost`. */
  readonly advertise: string;
}

function listeningAddresses(settings: NodeSettings): Listening[] {
  const { grpc, peer, resp, http } = settings;
  return [
    { name: 'grpc', address: grpc, advertise: '' },
    { name: 'peer', address: peer, advertise: '' },
    ...resp.map(({ address, advertise }): Listening => ({ name: 'resp', address, advertise })),
    { name: 'http', address: http, advertise: '' },
  ];
}
