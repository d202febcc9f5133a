/** Level 8: the command line. Parses, calls, prints; what it needs of the outside comes with its `Terminal`. */
export { runCommandLine } from './program.js';
export type { ServerRequest, Terminal } from './terminal.js';
