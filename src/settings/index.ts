/** Level 1: settings of a node. */
export * from './schema.js';
