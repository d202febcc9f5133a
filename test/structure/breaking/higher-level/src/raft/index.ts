/** Breaks the rule: a core that knows the loop that drives it. */
import { turn } from '../host/index.js';

export const step = turn;
