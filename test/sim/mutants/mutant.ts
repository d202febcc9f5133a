/**
 * A mutant: the shipped source with one rule broken in one place. It is text, found and replaced, so that what is
 * broken is what ships, not a copy of it; and an edit of the source that takes the place away is noticed at once
 * (`plant` throws, and `test/unit/sim/mutants.test.ts` plants all of them).
 *
 * Which runs should show it is the mutant's arena:
 *   node   whole nodes under faults (`run.ts`), judged by its checkers and by the history
 *   core   the consensus core alone under a random schedule (`test/support/raft-chaos.ts`): thousands of elections and
 *          crashes in the time of one run of nodes, for what takes a rare order of events
 *   group  one group on real hosts with clients (`test/support/group-chaos.ts`): the pipeline of replies, reads and
 *          expiry, and who wakes whom, with the unlucky order of events brought about all the time
 *   births replicas of one node that come and go, with restarts (`births-arena.ts`)
 *   disk   the log store alone on a lying disk (`disk-arena.ts`)
 */
import type { FaultKind } from '../fault-plan.js';
import type { Swarm } from '../swarm.js';
import type { GroupProfile } from '../../support/group-chaos.js';
import type { ChaosProfile } from '../../support/raft-chaos-schedules.js';

export type ArenaOptions =
  | {
      readonly kind: 'node';
      /** Faults that give the bug its moment; null draws them. */
      readonly faults: readonly FaultKind[] | null;
      readonly swarm?: Partial<Swarm>;
    }
  | { readonly kind: 'core'; readonly profile: ChaosProfile }
  | { readonly kind: 'group'; readonly profile: GroupProfile }
  | { readonly kind: 'births' }
  | { readonly kind: 'disk' };

export interface Edit {
  /** Below the repository's root. */
  readonly file: string;
  /** Exact text; occurs once in the file. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant extends Edit {
  readonly name: string;
  /** The rule that it breaks. */
  readonly rule: string;
  readonly arena: ArenaOptions;
  /**
   * Assertions of the product that would end the run before a checker sees what the rule was for. An assertion is no
   * proof that the checkers would see it, so it goes, too.
   */
  readonly without?: readonly Edit[];
}

export function editsOf(mutant: Mutant): readonly Edit[] {
  return [mutant, ...(mutant.without ?? [])];
}

/** The source with the edit made. Throws when its place is gone, or is no longer one place. */
export function plant(source: string, edit: Edit): string {
  const at = source.indexOf(edit.find);
  if (at < 0) throw new Error(`${edit.file}: the place to edit is gone: ${edit.find}`);
  if (source.indexOf(edit.find, at + 1) >= 0) {
    throw new Error(`${edit.file}: there is more than one place to edit: ${edit.find}`);
  }
  return source.slice(0, at) + edit.replace + source.slice(at + edit.find.length);
}
