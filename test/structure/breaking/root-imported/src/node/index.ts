/** Breaks the rule: imports a root. */
import { main } from '../server.js';

export const run = main;
