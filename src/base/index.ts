/** Level 0: what everything may use, and what uses nothing. Pure: no clock, no randomness, no I/O. */
export * from './assert.js';
export * from './bytes.js';
export * from './errors.js';
export * from './ids.js';
export * from './prng.js';
export * from './ring.js';
export * from './sequence-window.js';
export * from './metrics.js';
export type * from './node-addresses.js';
export * from './fatal.js';
export * from './glob.js';
export * from './entry-frame.js';
export * from './version.js';
export * from './snapshot-format.js';
export * from './cluster-version.js';
