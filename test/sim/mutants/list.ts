/** All mutants. */
import { CORE_MUTANTS } from './core-mutants.js';
import { DISK_MUTANTS } from './disk-mutants.js';
import type { Mutant } from './mutant.js';
import { NODE_MUTANTS } from './node-mutants.js';

export const MUTANTS: readonly Mutant[] = [...CORE_MUTANTS, ...DISK_MUTANTS, ...NODE_MUTANTS];
