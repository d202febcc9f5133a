/** Rules of the consensus core, each broken in one place: elections and terms, replication and commit, snapshots. */
import type { ArenaOptions, Mutant } from './mutant.js';

const ALL: ArenaOptions = { kind: 'core', profile: 'all' };
const MEMBERS: ArenaOptions = { kind: 'core', profile: 'members' };
const LEASES: ArenaOptions = { kind: 'core', profile: 'leases' };
const PAIRS: ArenaOptions = { kind: 'core', profile: 'pairs' };
const PREVOTES: ArenaOptions = { kind: 'core', profile: 'prevotes' };
const VOTES: ArenaOptions = { kind: 'core', profile: 'votes' };
const SUSPECTS: ArenaOptions = { kind: 'core', profile: 'suspects' };
const MAJORITIES: ArenaOptions = { kind: 'core', profile: 'majorities' };
const READS: ArenaOptions = { kind: 'core', profile: 'reads' };
const SLOW: ArenaOptions = { kind: 'core', profile: 'slow' };
const SNAPSHOTS: ArenaOptions = { kind: 'core', profile: 'snapshots' };

const ELECTION_MUTANTS: readonly Mutant[] = [
  {
    name: 'vote-before-persist',
    rule: 'a vote leaves only once it is durable',
    arena: VOTES,
    file: 'src/raft/election.ts',
    find: 'state.outbox.messagesAfterPersist.push(response);',
    replace: 'state.outbox.messages.push(response);',
  },
  {
    name: 'own-vote-before-persist',
    rule: 'a candidate counts its own vote only once it is durable',
    arena: VOTES,
    file: 'src/raft/election.ts',
    find: '  becomeCandidate(state);\n',
    replace: '  becomeCandidate(state);\n  state.votes.set(state.id, true);\n',
  },
  {
    name: 'vote-twice',
    rule: 'one vote in a term',
    arena: VOTES,
    file: 'src/raft/election.ts',
    find: '    state.vote === from ||\n',
    replace: '    state.leader === 0 ||\n',
  },
  {
    name: 'vote-not-saved',
    rule: 'a vote is a promise that has to be durable, also in a term that is',
    arena: VOTES,
    file: 'src/raft/ready.ts',
    find: 'return state.term !== state.handedHardState.term || state.vote !== state.handedHardState.vote;',
    replace: 'return state.term !== state.handedHardState.term;',
  },
  {
    name: 'vote-forgotten-at-start',
    rule: 'a replica starts with the vote that it gave',
    arena: VOTES,
    file: 'src/raft/state.ts',
    find: 'this.vote = hardState.vote;',
    replace: 'this.vote = 0;',
  },
  {
    name: 'one-vote-elects',
    rule: 'a majority elects, not one voter of three',
    arena: VOTES,
    file: 'src/raft/quorum.ts',
    find: 'const needed = (ids.length >> 1) + 1;',
    replace: 'const needed = 1;',
  },
  {
    name: 'vote-for-any-log',
    rule: 'a vote goes only to a log at least as up to date as the own',
    arena: ALL,
    file: 'src/raft/election.ts',
    find: 'const granted = isFree && !isBound && state.log.isUpToDate(message.lastIndex, message.lastTerm);',
    replace:
      'const granted = isFree && !isBound && (!pre || state.log.isUpToDate(message.lastIndex, message.lastTerm));',
  },
  {
    name: 'longer-log-wins',
    rule: 'of two logs the one with the higher last term is the more up to date, however long the other is',
    arena: ALL,
    file: 'src/raft/log.ts',
    find: 'return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);',
    replace: 'return lastIndex >= this.lastIndex;',
  },
  {
    name: 'prevote-counts-as-vote',
    rule: 'a granted prevote is no vote',
    arena: ALL,
    file: 'src/raft/election.ts',
    find: "  if (message.pre !== (state.role === 'precandidate')) return;\n  const expectedTerm = message.pre && message.granted ? state.term + 1 : state.term;\n  if (message.term !== expectedTerm) return;\n",
    replace: '',
  },
  {
    name: 'prevote-for-any-log',
    rule: 'a prevote, too, goes only to a log at least as up to date as the own',
    arena: PREVOTES,
    file: 'src/raft/election.ts',
    find: '!isBound && state.log.isUpToDate(message.lastIndex, message.lastTerm);',
    replace: '!isBound && (pre || state.log.isUpToDate(message.lastIndex, message.lastTerm));',
  },
  {
    name: 'term-without-entry',
    rule: 'a leader opens its term with an entry, with which those of earlier terms commit',
    arena: ALL,
    file: 'src/raft/roles.ts',
    find: '  log.append({ index: next, term: state.term, kind: EntryKind.empty, data: EMPTY_BYTES });\n',
    replace: '',
  },
  {
    name: 'leader-keeps-leading',
    rule: 'a leader that hears of a higher term steps down',
    arena: ALL,
    file: 'src/raft/dispatch.ts',
    find: '  becomeFollower(state, message.term, isFromLeader(message) ? message.from : 0);\n',
    replace:
      "  if (state.role === 'leader' && !isFromLeader(message)) {\n    state.term = message.term;\n    state.vote = 0;\n    return true;\n  }\n  becomeFollower(state, message.term, isFromLeader(message) ? message.from : 0);\n",
  },
];

const REPLICATION_MUTANTS: readonly Mutant[] = [
  {
    name: 'append-ack-before-persist',
    rule: 'an append is acknowledged only once it is durable',
    arena: ALL,
    file: 'src/raft/append.ts',
    find: '  state.outbox.messagesAfterPersist.push({\n',
    replace: '  state.outbox.messages.push({\n',
  },
  {
    name: 'own-entry-before-persist',
    rule: "a leader's own entry counts only once it is durable",
    arena: ALL,
    file: 'src/raft/state.ts',
    find: 'id === this.id ? this.log.persisted :',
    replace: 'id === this.id ? this.log.lastIndex :',
  },
  {
    name: 'overwritten-write-counts',
    rule: 'a write that was overwritten in memory vouches for nothing when it is done (persist-ledger.ts)',
    arena: SLOW,
    file: 'src/raft/log.ts',
    find: '    this.ledger.clamp(index - 1);\n',
    replace: '',
    without: [
      {
        file: 'src/raft/log.ts',
        find: '    assert(index <= this.handed, `persisted ${index} was never handed out (handed ${this.handed})`);\n    this.persisted = index;',
        replace: '    this.persisted = Math.min(index, this.handed);',
      },
    ],
  },
  {
    name: 'commit-by-one',
    rule: 'an entry commits on a majority, not on the furthest replica',
    arena: ALL,
    file: 'src/raft/quorum.ts',
    find: 'return scratch[(count - 1) >> 1] as number;',
    replace: 'return scratch[count - 1] as number;',
  },
  {
    name: 'learner-counts',
    rule: 'learners never count for a quorum',
    arena: ALL,
    file: 'src/raft/quorum.ts',
    find: 'const incoming = majorityNumber(configuration.voters, numberOf);',
    replace:
      'const incoming = majorityNumber(configuration.voters, (id) =>\n    Math.max(numberOf(id), ...configuration.learners.map(numberOf)),\n  );',
  },
  {
    name: 'commit-older-term',
    rule: 'only an entry of the own term commits by counting (figure 8)',
    arena: MAJORITIES,
    file: 'src/raft/commit.ts',
    find: ' || log.termAt(index) !== state.term',
    replace: '',
  },
  {
    name: 'heartbeat-commits-unmatched',
    rule: "a heartbeat's commit index stays within what is known to match",
    arena: ALL,
    file: 'src/raft/replication.ts',
    find: 'commit: Math.min(follower.match, state.log.commit),',
    replace: 'commit: state.log.commit,',
    without: [
      {
        file: 'src/raft/append.ts',
        find: '  state.log.commitTo(message.commit);\n',
        replace: '  state.log.commitTo(Math.min(message.commit, state.log.lastIndex));\n',
      },
    ],
  },
  {
    name: 'append-commits-unmatched',
    rule: 'an append commits no further than the entries that it vouches for',
    arena: ALL,
    file: 'src/raft/append.ts',
    find: 'log.commitTo(Math.min(message.commit, agreed));',
    replace: 'log.commitTo(Math.min(message.commit, log.lastIndex));',
  },
  {
    name: 'append-without-check',
    rule: 'an append fits only behind the entry that it names',
    arena: ALL,
    file: 'src/raft/append.ts',
    find: 'if (prevIndex >= log.commit && !log.matches(prevIndex, message.prevTerm)) {',
    replace: 'if (prevIndex > log.lastIndex) {',
  },
  {
    name: 'old-append-cuts',
    rule: 'an append cuts the log only at a conflict: an old one must not take back what was acknowledged',
    arena: ALL,
    file: 'src/raft/append.ts',
    find: 'if (entry.index > log.lastIndex || log.termAt(entry.index) !== entry.term) {',
    replace: 'if (entry.index > log.commit) {',
  },
  {
    name: 'old-leader-is-heard',
    rule: 'an append of an older term is not acted on',
    arena: READS,
    file: 'src/raft/dispatch.ts',
    find: "    answerStale(state, message);\n    return 'taken';\n",
    replace:
      "    if (message.type === 'append' && state.role === 'follower') {\n      const { leader } = state;\n      state.leader = message.from;\n      handleAppend(state, message);\n      state.leader = leader;\n    } else answerStale(state, message);\n    return 'taken';\n",
  },
  {
    name: 'apply-before-commit',
    rule: 'only what is committed is applied',
    arena: ALL,
    file: 'src/raft/log.ts',
    find: 'return Math.min(this.commit, this.persisted);',
    replace: 'return this.persisted;',
  },
  {
    name: 'apply-before-persist',
    rule: 'nothing is applied that this replica could lose',
    arena: ALL,
    file: 'src/raft/log.ts',
    find: 'return Math.min(this.commit, this.persisted);',
    replace: 'return this.commit;',
  },
];

const READ_MUTANTS: readonly Mutant[] = [
  {
    name: 'read-without-quorum',
    rule: 'a read waits until a quorum confirms its leader',
    arena: READS,
    file: 'src/raft/reads.ts',
    find: 'reads.confirmUpTo(quorumNumber(configuration, state.roundOf), state.outbox.reads);',
    replace: 'reads.confirmUpTo(reads.lastRound, state.outbox.reads);',
  },
  {
    name: 'read-by-old-round',
    rule: 'a read is confirmed only by a round that began after it came',
    arena: READS,
    file: 'src/raft/read-rounds.ts',
    find: 'this.rounds.push({ number: this.lastNumber, index, contexts: this.pending, remotes });',
    replace: 'this.rounds.push({ number: this.lastNumber - 1, index, contexts: this.pending, remotes });',
  },
  {
    name: 'read-before-own-term',
    rule: 'a leader serves no read before an entry of its own term is committed',
    arena: READS,
    file: 'src/raft/roles.ts',
    find: 'state.termStart = next;',
    replace: 'state.termStart = 0;',
  },
  {
    name: 'read-outlives-leadership',
    rule: 'reads of a lost leadership are not answered by a later one',
    arena: READS,
    file: 'src/raft/roles.ts',
    find: '  state.reads.abort(state.leader, state.outbox.reads);\n',
    replace: '',
  },
  {
    name: 'read-round-of-other-term',
    rule: "a round is confirmed only by a member whose term is the round's",
    arena: READS,
    file: 'src/raft/dispatch.ts',
    find: "    answerStale(state, message);\n    return 'taken';\n",
    replace:
      "    if (message.type !== 'read_round') answerStale(state, message);\n    else {\n      const { round, term, configurationVersion } = message;\n      const [from, to] = [state.id, message.from];\n      state.outbox.messages.push({ type: 'read_round_response', from, to, term, configurationVersion, round });\n    }\n    return 'taken';\n",
  },
];

const SNAPSHOT_MUTANTS: readonly Mutant[] = [
  {
    name: 'old-snapshot-accepted',
    rule: 'a snapshot that is behind what is committed is not installed',
    arena: SNAPSHOTS,
    file: 'src/raft/snapshot.ts',
    find: '} else if (index > log.commit) {',
    replace: '} else if (index > 0) {',
    without: [
      {
        file: 'src/raft/log.ts',
        find: '    assert(index > this.commit, `snapshot at ${index} is not beyond commit ${this.commit}`);\n',
        replace: '',
      },
    ],
  },
  {
    name: 'snapshot-drops-the-tail',
    rule: 'a snapshot that the log has leaves the entries behind it: they may be acknowledged',
    arena: SNAPSHOTS,
    file: 'src/raft/snapshot.ts',
    find: '  if (log.matches(index, term)) {\n',
    replace: '  if (index <= log.commit && log.matches(index, term)) {\n',
  },
  {
    name: 'snapshot-ack-beyond',
    rule: 'a snapshot acknowledges what it holds, not what stands behind it in the log',
    arena: SNAPSHOTS,
    file: 'src/raft/snapshot.ts',
    find: '  acknowledgeAppend(state, message.from, log.commit);\n',
    replace: '  acknowledgeAppend(state, message.from, log.lastIndex);\n',
  },
];

const SUSPECT_MUTANTS: readonly Mutant[] = [
  {
    name: 'suspect-votes',
    rule: 'a replica that may have lost what it promised never votes',
    arena: SUSPECTS,
    file: 'src/raft/election.ts',
    find: '  if (state.options.suspect) return;\n  const { from, pre } = message;\n',
    replace: '  const { from, pre } = message;\n',
  },
  {
    name: 'suspect-acknowledges',
    rule: 'a replica that may have lost its term acknowledges nothing: it may have promised otherwise',
    arena: SUSPECTS,
    file: 'src/raft/append.ts',
    find: '  if (state.options.suspect) return;\n  const { log } = state;\n',
    replace: '  const { log } = state;\n',
  },
  {
    name: 'suspect-confirms-reads',
    rule: 'a replica that may have lost its term confirms no read',
    arena: SUSPECTS,
    file: 'src/raft/reads.ts',
    find: 'if (state.options.suspect || !state.isMember) return;',
    replace: 'if (!state.isMember) return;',
  },
  {
    name: 'suspect-campaigns',
    rule: 'a replica that may have lost committed entries never leads',
    arena: SUSPECTS,
    file: 'src/raft/election.ts',
    find: 'if (!state.isVoter || state.options.suspect || state.pendingSnapshot !== null) return false;',
    replace: 'if (!state.isVoter || state.pendingSnapshot !== null) return false;',
  },
];

const MEMBER_MUTANTS: readonly Mutant[] = [
  {
    name: 'joint-commit-by-the-new',
    rule: 'under a joint configuration an entry commits on both majorities, the old one too',
    arena: MEMBERS,
    file: 'src/raft/quorum.ts',
    find: '  if (configuration.outgoing.length === 0) return incoming;\n  return Math.min(',
    replace: '  if (configuration.outgoing.length >= 0) return incoming;\n  return Math.min(',
  },
  {
    name: 'joint-election-by-the-new',
    rule: 'under a joint configuration both majorities elect',
    arena: MEMBERS,
    file: 'src/raft/quorum.ts',
    find: '  if (configuration.outgoing.length === 0) return incoming;\n  const outgoing',
    replace: '  if (configuration.outgoing.length >= 0) return incoming;\n  const outgoing',
  },
  {
    name: 'highest-id-forgotten',
    rule: 'an id of a replica is used once: the highest one is kept although its replica is gone',
    arena: MEMBERS,
    file: 'src/raft/change.ts',
    find: '    current.highestId,\n  );',
    replace: '    Math.max(...membersOf(current)),\n  );',
  },
  {
    name: 'change-behind-a-change',
    rule: 'one change of members at a time',
    arena: MEMBERS,
    file: 'src/raft/reconfiguration.ts',
    find: 'if (isJoint(configuration) || log.applied < state.changeIndex)\n    return',
    replace: 'if (isJoint(configuration))\n    return',
  },
  {
    name: 'removed-is-heard',
    rule: 'a replica that was removed has no say',
    arena: MEMBERS,
    file: 'src/raft/admission.ts',
    find: 'tellRemoved(state, message);\n  return false;\n',
    replace: 'tellRemoved(state, message);\n  return true;\n',
  },
  {
    name: 'newcomer-hears-nobody',
    rule: 'who knows a newer configuration is heard, also by one whose own does not name it',
    arena: MEMBERS,
    file: 'src/raft/admission.ts',
    find: '  if (message.configurationVersion > configuration.version) return true;\n',
    replace: '',
  },
];

const LEASE_MUTANTS: readonly Mutant[] = [
  {
    name: 'lease-promise-of-a-term',
    rule: 'who promised patience votes for nobody else, also in a term that it came to otherwise',
    arena: LEASES,
    file: 'src/raft/election.ts',
    find: 'const isBound = !message.transfer && state.lease?.isPromised === true;',
    replace: 'const isBound = false;',
  },
  {
    name: 'lease-promise-to-others-alone',
    rule: 'who promised patience does not campaign itself',
    arena: LEASES,
    file: 'src/raft/election.ts',
    find: '  if (!transfer && state.lease?.isPromised === true) return;\n',
    replace: '',
  },
  {
    name: 'lease-promise-of-a-sole-voter',
    rule: 'who promised patience does not campaign itself, also when nobody else has to be asked any more',
    arena: PAIRS,
    file: 'src/raft/election.ts',
    find: 'if (!transfer && state.lease?.isPromised === true) return;\n',
    replace: 'if (!transfer && !state.isSoleVoter && state.lease?.isPromised === true) return;\n',
  },
];

const SLEEP_MUTANTS: readonly Mutant[] = [
  {
    name: 'proposal-wakes-nobody',
    rule: 'a proposal wakes its leader: what it sends may have to be sent again',
    arena: ALL,
    file: 'src/raft/proposal.ts',
    find: '  wake(state, false);\n',
    replace: '',
  },
  {
    name: 'append-wakes-nobody',
    rule: 'a follower that is sent entries sleeps no more',
    arena: ALL,
    file: 'src/raft/quiescence.ts',
    find: "    case 'append':\n    case 'read_round':\n    case 'snapshot':\n",
    replace: "    case 'append':\n      return false;\n    case 'read_round':\n    case 'snapshot':\n",
  },
];

export const CORE_MUTANTS: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...REPLICATION_MUTANTS,
  ...READ_MUTANTS,
  ...SNAPSHOT_MUTANTS,
  ...SUSPECT_MUTANTS,
  ...MEMBER_MUTANTS,
  ...LEASE_MUTANTS,
  ...SLEEP_MUTANTS,
];
