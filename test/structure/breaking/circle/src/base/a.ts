/** Breaks the rule: half of a circle. */
import { b } from './b.js';

export const a = (): number => b() + 1;
