/** `quorate dev`: a local cluster of child processes. */
export { addDevCommand } from './dev-command.js';
