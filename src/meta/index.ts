/** Level 1: group 0's state machine. Pure; see state.ts for the state, commands.ts for what changes it. */
export * from './commands.js';
export * from './machine.js';
export * from './memory.js';
export * from './state.js';
export { upgradeTarget } from './upgrade.js';
