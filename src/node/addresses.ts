/** Addresses that others are told: the listening one, with the advertised host put in when there is one. */
import type { RespListener, RespRouting } from '../settings/index.js';

export function advertisedAddress(listening: string, advertiseHost: string): string {
  if (advertiseHost === '') return listening;
  const port = listening.slice(listening.lastIndexOf(':') + 1);
  const host =
    advertiseHost.includes(':') && !advertiseHost.startsWith('[') ? `[${advertiseHost}]` : advertiseHost;
  return `${host}:${port}`;
}

/** Of several listeners of one routing the first is told; empty when there is none. */
export function advertisedResp(
  listeners: readonly RespListener[],
  routing: RespRouting,
  advertiseHost: string,
): string {
  const first = listeners.find((listener) => listener.routing === routing);
  if (first === undefined) return '';
  return first.advertise === '' ? advertisedAddress(first.address, advertiseHost) : first.advertise;
}
