/** Level 5: the loop over all replicas of a node. */
export type { ReceiveStatus } from './bulk.js';
export { CLOCK_OFFSET_MAX_MS } from './clock-offsets.js';
export { Host, type HostOptions } from './host.js';
