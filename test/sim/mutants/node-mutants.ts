/** Rules of a whole node, each broken in one place: the pipeline to disk, replies, reads, time, snapshots, routing. */
import type { ArenaOptions, Mutant } from './mutant.js';

const ANY: ArenaOptions = { kind: 'node', faults: null };

const PIPELINE_MUTANTS: readonly Mutant[] = [
  {
    name: 'host-acks-before-fsync',
    rule: 'the host confirms a Ready only once its batch is durable',
    arena: { kind: 'node', faults: ['strike_acknowledgement', 'crash', 'crash_all'] },
    file: 'src/host/durability.ts',
    find: '    if (mustPersist || this.open.readys.has(replica)) {\n',
    replace: '    if (this.open.readys.has(replica)) {\n',
  },
  {
    name: 'node-votes-before-fsync',
    rule: 'a vote leaves the node only once it is durable',
    arena: { kind: 'node', faults: ['strike_election', 'crash'] },
    file: 'src/group/replica.ts',
    find: '    host.afterPersist(this, ready.number, ready.mustPersist, ready.messagesAfterPersist);\n',
    replace:
      "    for (const m of ready.messagesAfterPersist) if (m.type === 'vote_response') host.send(this.group, m);\n    host.afterPersist(this, ready.number, ready.mustPersist, ready.messagesAfterPersist);\n",
  },
  {
    name: 'log-applied-twice-at-start',
    rule: 'a start goes on behind the checkpoint that it loaded',
    arena: { kind: 'node', faults: ['crash', 'crash_all', 'stop'] },
    file: 'src/node/recovery.ts',
    find: 'const appliedIndex = loaded?.index ?? (stateLost ? recovered.truncatedIndex : 0);',
    replace: 'const appliedIndex = recovered.truncatedIndex;',
  },
  {
    name: 'checkpoint-of-another-index',
    rule: 'a checkpoint says which entry its state stands at',
    arena: { kind: 'node', faults: ['crash', 'crash_all', 'stop'] },
    file: 'src/group/checkpoint-policy.ts',
    find: '    const index = replica.appliedIndex;\n',
    replace: '    const index = replica.appliedIndex - 1;\n',
  },
  {
    name: 'snapshot-without-state',
    rule: 'an installed snapshot replaces the state',
    arena: { kind: 'node', faults: ['long_crash'] },
    file: 'src/group/checkpoint-policy.ts',
    find: '    const loader = this.replica.machine.loader();\n',
    replace:
      '    const loader = { push: () => undefined, finish: () => undefined, drop: () => undefined };\n',
    without: [
      {
        file: 'src/group/checkpoint-policy.ts',
        find: 'this.replica.machine.stateHash() === received.meta.stateHash,',
        replace: 'true,',
      },
    ],
  },
  {
    name: 'node-applies-before-commit',
    rule: 'a client is told of a write only once it is committed',
    arena: { kind: 'node', faults: ['isolate_leader', 'partition', 'crash'] },
    file: 'src/raft/log.ts',
    find: 'return Math.min(this.commit, this.persisted);',
    replace: 'return this.persisted;',
  },
];

const TIME_MUTANTS: readonly Mutant[] = [
  {
    name: 'expiry-by-local-clock',
    rule: 'time in apply is the stamp in the entry, on all replicas alike',
    arena: { kind: 'node', faults: ['clock', 'crash'] },
    file: 'src/group/replica.ts',
    find: '      machine.apply(entry.index, entry.term, entry.data, this);\n',
    replace:
      '      const local = entry.data.slice();\n      new DataView(local.buffer).setBigUint64(1, BigInt(this.host.trustedWallMs()));\n      machine.apply(entry.index, entry.term, local, this);\n',
  },
];

const ROUTING_MUTANTS: readonly Mutant[] = [
  {
    name: 'lost-write-sent-again',
    rule: 'a write whose link broke is of unknown outcome, and never sent again',
    arena: { kind: 'node', faults: ['bad_network', 'one_way', 'partition'] },
    file: 'src/api/gateway.ts',
    find: '    if (this.table.isWrite(slot)) {\n      this.deps.metrics.forwardFailures',
    replace: '    if (this.table.isWrite(slot) && this.stopped) {\n      this.deps.metrics.forwardFailures',
  },
  {
    name: 'unknown-called-refused',
    rule: 'a write that may have been appended is never called refused',
    arena: { kind: 'node', faults: ['bad_network', 'crash', 'isolate_leader'] },
    file: 'src/api/gateway.ts',
    find: "      this.fail(handle, 'OUTCOME_UNKNOWN', 'the link to the leader broke with the command in flight', 0);\n",
    replace:
      "      this.fail(handle, 'UNAVAILABLE', 'the link to the leader broke with the command in flight', 0);\n",
  },
];

const STATE_MUTANTS: readonly Mutant[] = [
  {
    name: 'compare-without-version',
    rule: 'a comparison by version holds only for that version',
    arena: ANY,
    file: 'src/kv/set.ts',
    find: '  if (version !== expectedVersion) return putCompared(run, false, version);\n  const stored',
    replace: '  if (version < expectedVersion) return putCompared(run, false, version);\n  const stored',
  },
  {
    name: 'version-starts-again',
    rule: 'versions of a key never come back, also not after a deletion',
    arena: ANY,
    file: 'src/kv/state.ts',
    find: '    this.feed.note(kind, ++this.lastVersion, this.found);\n',
    replace: '    this.feed.note(kind, --this.lastVersion, this.found);\n',
    without: [
      {
        file: 'src/kv/feed.ts',
        find: '    assert(version === this.version + 1, `event ${version} after ${this.version}`);\n',
        replace: '',
      },
    ],
  },
];

export const NODE_MUTANTS: readonly Mutant[] = [
  ...PIPELINE_MUTANTS,
  ...TIME_MUTANTS,
  ...ROUTING_MUTANTS,
  ...STATE_MUTANTS,
];
