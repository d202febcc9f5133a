/** Breaks the rule: a folder that the house has no place for. */
import { zero } from '../base/index.js';

export const one = zero + 1;
