/** Breaks the rule: a root that goes past the second entry. */
import { readWire } from './codec/cache/wire.js';

export const read = readWire;
