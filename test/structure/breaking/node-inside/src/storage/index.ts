/** Breaks the rule: touches the disk by itself. */
import { readFileSync } from 'node:fs';

export const read = readFileSync;
