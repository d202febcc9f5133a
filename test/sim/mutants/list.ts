/** All mutants. */
import { BIRTH_MUTANTS } from './birth-mutants.js';
import { CORE_MUTANTS } from './core-mutants.js';
import { DISK_MUTANTS } from './disk-mutants.js';
import { FEED_MUTANTS } from './feed-mutants.js';
import { GROUP_MUTANTS } from './group-mutants.js';
import type { Mutant } from './mutant.js';
import { NODE_MUTANTS } from './node-mutants.js';

export const MUTANTS: readonly Mutant[] = [
  ...CORE_MUTANTS,
  ...BIRTH_MUTANTS,
  ...DISK_MUTANTS,
  ...GROUP_MUTANTS,
  ...NODE_MUTANTS,
  ...FEED_MUTANTS,
];
