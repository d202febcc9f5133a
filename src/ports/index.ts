/** Level 1: the world as interfaces. No code, no values but constants. Implementations: adapters/ and test/sim/. */
export * from './bytes-tools.js';
export * from './cache-calls.js';
export * from './checkpoint-calls.js';
export * from './client-transport.js';
export * from './clock.js';
export * from './control.js';
export * from './files.js';
export * from './listeners.js';
export * from './logger.js';
export * from './ordered-store.js';
export * from './peer-network.js';
export * from './state-machine.js';
export * from './verify-calls.js';
export * from './observer.js';
