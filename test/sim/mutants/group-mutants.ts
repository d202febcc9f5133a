/** Rules of a group's replicas on their hosts, each broken in one place: replies, reads, expiry, and who wakes whom. */
import type { ArenaOptions, Mutant } from './mutant.js';

const CONFLICTS: ArenaOptions = { kind: 'group', profile: 'conflicts' };
const EXPIRY: ArenaOptions = { kind: 'group', profile: 'expiry' };
const SLEEP: ArenaOptions = { kind: 'group', profile: 'sleep' };

export const GROUP_MUTANTS: readonly Mutant[] = [
  {
    name: 'rolled-back-called-done',
    rule: 'a write whose entry was rolled back is not called done',
    arena: CONFLICTS,
    file: 'src/group/proposals.ts',
    find: "    putFailed(scratch, 'OUTCOME_UNKNOWN', message, 0);\n",
    replace: '    scratch.u8(0);\n',
  },
  {
    name: 'reply-of-another-entry',
    rule: 'who waits for an index is answered only by the entry of its own term',
    arena: CONFLICTS,
    file: 'src/group/proposals.ts',
    find: 'return first !== undefined && first.index === index && first.term === term ? first.batch : null;',
    replace: 'return first !== undefined && first.index === index ? first.batch : null;',
  },
  {
    name: 'hosts-read-without-quorum',
    rule: 'a read waits until a quorum confirms its leader: also on hosts, where a deposed one hears of it soon',
    arena: CONFLICTS,
    file: 'src/raft/reads.ts',
    find: 'reads.confirmUpTo(quorumNumber(configuration, state.roundOf), state.outbox.reads);',
    replace: 'reads.confirmUpTo(reads.lastRound, state.outbox.reads);',
  },
  {
    name: 'read-before-applied',
    rule: 'a read runs once its index is applied',
    arena: CONFLICTS,
    file: 'src/group/read-batches.ts',
    find: '    if (first === undefined || first.index > applied) return null;\n',
    replace: '    if (first === undefined) return null;\n',
  },
  {
    name: 'read-overtaken-by-write',
    rule: 'a write is not applied before reads that were asked earlier on its connection',
    arena: EXPIRY,
    file: 'src/group/read-runner.ts',
    find: '    if (barrier === 0) return false;\n    return this.reads.pendingUpTo(barrier)',
    replace: '    if (barrier >= 0) return false;\n    return this.reads.pendingUpTo(barrier)',
  },
  {
    name: 'gone-without-time-entry',
    rule: 'a read sees an item as gone only once the log reached its expiry: a later leader may have a slower clock',
    arena: EXPIRY,
    file: 'src/kv/state.ts',
    find: '    if (expiryMs <= nowMs) this.needsTime = true;\n    return true;\n',
    replace: '    return expiryMs > nowMs;\n',
  },
  {
    name: 'dead-leader-wakes-nobody',
    rule: 'a node that is not heard any more wakes the sleeping groups that it led',
    arena: SLEEP,
    file: 'src/host/quiescence.ts',
    find: '          this.onLost(news.node, news.groups);\n',
    replace: '',
  },
  {
    name: 'return-wakes-nobody',
    rule: 'a node that is heard again wakes the sleeping groups that have a member there',
    arena: SLEEP,
    file: 'src/host/quiescence.ts',
    find: '          this.wakeLeaders((replica) => hasMemberOn(replica, news.node));\n',
    replace: '',
  },
];
