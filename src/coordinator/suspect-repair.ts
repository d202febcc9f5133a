/**
 * Replaces suspect replicas: a follower that says it may have lost what it acknowledged gets a successor with a fresh
 * id on the same node, first as a learner, then in its place by one joint change (docs/decisions/0005-membership.md).
 * Each node looks after the groups that it leads itself. What is refused now is tried again with the next poll. A new
 * leader goes on where the configuration stands: the suspect one may have given way to its successor by then, and say
 * nothing any more, but two members on one node tell that the exchange was begun.
 */
import type { GroupId, ReplicaId } from '../base/index.js';
import type { Replica } from '../group/index.js';
import type { Host } from '../host/index.js';
import type { Logger } from '../ports/index.js';
import { isJoint, type Configuration, type MembershipChange } from '../raft/index.js';

export class SuspectRepair {
  private readonly groups = new Set<GroupId>();

  constructor(
    private readonly host: Host,
    private readonly logger: Logger,
  ) {}

  /** A follower of this leader said that it is suspect. */
  onSuspect(replica: Replica): void {
    this.groups.add(replica.group);
  }

  /** Another configuration is in force here, or the replica came to lead: an exchange may have been begun by others. */
  onConfiguration({ raft, group }: Replica): void {
    if (raft.role === 'leader' && supersededOf(raft.configuration) !== 0) this.groups.add(group);
  }

  poll(): void {
    for (const group of this.groups) {
      const replica = this.host.replica(group);
      if (replica === null || !this.repair(replica)) this.groups.delete(group);
    }
  }

  /** Whether there is still something to do. */
  private repair(replica: Replica): boolean {
    if (replica.raft.role !== 'leader') return false;
    const { configuration } = replica;
    // The newest first: a successor that is suspect itself can't take the older one's place.
    const told = replica.raft.status().followers.findLast((follower) => follower.suspect);
    const suspect = told?.id ?? supersededOf(configuration);
    if (suspect === 0) return false;
    if (!replica.serves || isJoint(configuration)) return true;
    const change = nextStep(configuration, suspect);
    if (this.isHeirDown(configuration, change)) return true;
    const result = replica.changeMembers(change);
    if (result.kind === 'appended') {
      this.logger.warn('suspect replica is being replaced', {
        group: replica.group,
        suspect,
        step: change.promote === undefined ? 'learner added' : 'learner takes its place',
      });
    }
    return true;
  }

  /**
   * Whether whoever is to take the place is on a node that is down: asking again and again would only keep the group
   * awake until that node is back.
   */
  private isHeirDown({ homes }: Configuration, { promote = [] }: MembershipChange): boolean {
    return homes.some(({ replica, node }) => promote.includes(replica) && this.host.isNodeDown(node));
  }
}

/** A member whose successor is one already: on one node there is place for one of them. 0: none. */
export function supersededOf({ homes, learners }: Configuration): ReplicaId {
  if (learners.length === 0) return 0;
  const old = homes.find((home) => homes.some((at) => at.node === home.node && at.replica > home.replica));
  return old?.replica ?? 0;
}

/** First a learner on the suspect's node, then the exchange. A suspect learner is exchanged in the same way. */
export function nextStep(configuration: Configuration, suspect: ReplicaId): MembershipChange {
  const { version: expectedVersion, homes, learners, highestId } = configuration;
  const node = homes.find((home) => home.replica === suspect)?.node ?? 0;
  const successor = homes.find((home) => home.node === node && home.replica > suspect);
  if (learners.includes(suspect)) {
    const addLearners = successor === undefined ? [{ replica: highestId + 1, node }] : [];
    return { expectedVersion, addLearners, remove: [suspect] };
  }
  if (successor === undefined) return { expectedVersion, addLearners: [{ replica: highestId + 1, node }] };
  return { expectedVersion, promote: [successor.replica], remove: [suspect] };
}
