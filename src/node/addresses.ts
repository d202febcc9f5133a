/** Addresses that others are told: the listening one, with the advertised host put in when there is one. */
export function advertisedAddress(listening: string, advertiseHost: string): string {
  if (advertiseHost === '') return listening;
  const port = listening.slice(listening.lastIndexOf(':') + 1);
  const host =
    advertiseHost.includes(':') && !advertiseHost.startsWith('[') ? `[${advertiseHost}]` : advertiseHost;
  return `${host}:${port}`;
}
