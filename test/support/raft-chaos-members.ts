/**
 * Membership under chaos: a leader's random changes, fresh replicas that are born when the log names them, and removed
 * ones that live on (the worst they can do) until a majority of the new configuration has it durably, as their node
 * would have it confirmed.
 */
import type { Prng } from '../../src/base/index.js';
import {
  EntryKind,
  isJoint,
  isMember,
  membersOf,
  type Configuration,
  type Entry,
  type MembershipChange,
} from '../../src/raft/index.js';
import type { ChaosChecks } from './raft-chaos-checks.js';
import type { RaftCluster, TestReplica } from './raft-cluster.js';

/** Members of one group: more tell nothing new. */
const MEMBERS_MAX = 6;
/** Ids that a run may use up. */
const IDS_MAX = 24;

export class ChaosMembers {
  readonly counts = { changes: 0, joints: 0, refused: 0, removed: 0 };
  private readonly seenJoint = new Set<number>();
  /** Accepted by a leader, by index and term of the entry. */
  private readonly accepted = new Map<string, MembershipChange>();
  /** Of configurations that took effect. */
  private readonly everMembers = new Set<number>();

  constructor(
    private readonly cluster: RaftCluster,
    private readonly prng: Prng,
    private readonly checks: ChaosChecks,
  ) {
    for (const id of membersOf(cluster.configuration)) this.everMembers.add(id);
  }

  /** Whoever believes to lead proposes something. */
  change(): void {
    for (const { raft } of [...this.cluster.replicas.values()]) {
      if (raft?.role !== 'leader') continue;
      const change = this.draw(raft.configuration);
      const result = raft.proposeChange(change);
      if (result.kind === 'refused') this.counts.refused++;
      else {
        this.counts.changes++;
        this.accepted.set(`${result.index}@${result.term}`, change);
        for (const { replica } of change.addLearners ?? []) {
          // Its node creates it when a leader speaks to it; here it is there, and knows nothing.
          if (!this.cluster.replicas.has(replica)) this.cluster.create(replica);
        }
      }
    }
  }

  /**
   * The first replica applied this entry. A change that was accepted takes effect, whole, and names no newcomer by an
   * id that was in use before: what an old one may still say would be taken for the newcomer's word.
   */
  checkApplied({ live: raft }: TestReplica, { index, term, kind }: Entry): void {
    if (kind !== EntryKind.configuration) return;
    const { configuration } = raft;
    const {
      addLearners = [],
      promote = [],
      demote = [],
      remove = [],
    } = this.accepted.get(`${index}@${term}`) ?? {};
    for (const { replica } of addLearners) {
      const isFresh = !this.everMembers.has(replica);
      this.checks.demand('an id names one replica', isFresh, `replica ${replica} was a member before`);
    }
    const { voters, learners, learnersNext } = configuration;
    const isDone =
      addLearners.every(({ replica }) => learners.includes(replica)) &&
      promote.every((id) => voters.includes(id)) &&
      demote.every((id) => learners.includes(id) || learnersNext.includes(id)) &&
      remove.every((id) => !voters.includes(id) && !learners.includes(id));
    const what = `what ${index}@${term} changes is not so in version ${configuration.version}`;
    this.checks.demand('an accepted change takes effect', isDone, what);
    for (const id of membersOf(configuration)) this.everMembers.add(id);
  }

  /** The newest configuration that is in force anywhere. */
  newest(): Configuration {
    let newest = this.cluster.configuration;
    for (const { disk } of this.cluster.replicas.values()) {
      if (disk.configuration.version > newest.version) newest = disk.configuration;
    }
    return newest;
  }

  /** What a node does that group 0 confirmed the removal to. */
  destroyRemoved(): void {
    const newest = this.newest();
    if (isJoint(newest)) this.noteJoint(newest.version);
    const holders = newest.voters.filter(
      (id) => (this.cluster.replicas.get(id)?.disk.configuration.version ?? 0) >= newest.version,
    );
    if (holders.length * 2 <= newest.voters.length) return;
    for (const id of this.cluster.ids()) {
      if (isMember(newest, id) || id > newest.highestId) continue;
      this.cluster.replicas.delete(id);
      this.counts.removed++;
    }
  }

  private noteJoint(version: number): void {
    if (this.seenJoint.has(version)) return;
    this.seenJoint.add(version);
    this.counts.joints++;
  }

  private draw({ version, voters, learners, highestId }: Configuration): MembershipChange {
    const { prng } = this;
    const some = (ids: readonly number[], chance: number): number[] => ids.filter(() => prng.chance(chance));
    const room = Math.min(MEMBERS_MAX - voters.length - learners.length, IDS_MAX - highestId);
    // Without learners there is nothing to promote: mostly some are added first.
    const adds =
      room > 0 && prng.chance(learners.length === 0 ? 0.7 : 0.2) ? prng.between(1, Math.min(room, 2)) : 0;
    const promote = some(learners, 0.6);
    const leaves = prng.chance(0.5) ? 0.3 : 0;
    const remove = some([...voters, ...learners], leaves).filter((id) => !promote.includes(id));
    const demote = some(voters, leaves / 2).filter((id) => !remove.includes(id));
    return {
      expectedVersion: prng.chance(0.05) ? version + 1 : version,
      addLearners: Array.from({ length: adds }, (_, i) => {
        // Now and then an id that was used: whoever plans may have forgotten.
        const replica = prng.chance(0.1) ? prng.between(1, highestId) : highestId + 1 + i;
        return { replica, node: replica };
      }),
      promote,
      demote,
      remove,
    };
  }
}
