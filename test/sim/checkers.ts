/**
 * Safety, checked as it happens: every replica tells what it does (ReplicaObserver), and what it tells must fit what
 * every other replica ever told. The runner asks `check()` after every event, so that a violation stops the run at
 * the event that caused it.
 *
 *  S1 one leader a term, per group
 *  S2 log matching: entries with one index and term are the same, and so is what precedes them
 *  S3 the committed prefix is one for all replicas and never changes; nobody overwrites what it committed
 *  S4 a new leader's log holds what is committed
 *  S5 replicas at one applied index have one state hash; entries are applied in order, once
 *  S6 a write that a client was told of is in a committed entry
 *
 * What a replica holds is known from what it told; a crash takes its unpersisted tail, so that after a restart the
 * checker knows only the committed part for certain and leaves the rest out until it is told again.
 * Memory: the maps keep the newest `WINDOW` facts of each group.
 */
import { crc32 } from '../../src/adapters/crc32.js';
import {
  must,
  type GroupId,
  type LogIndex,
  type NodeId,
  type ReplicaId,
  type Term,
} from '../../src/base/index.js';
import type { ReplicaObserver } from '../../src/ports/index.js';
import type { SimLoop } from './world/loop.js';

const WINDOW = 20_000;
const UNKNOWN_TERM: Term = -1;

interface EntryFacts {
  readonly term: Term;
  readonly crc: number;
  /** Term of the entry before; -1 while nobody told. */
  previousTerm: Term;
}

/** An entry as it is told: as appended or as applied. */
interface ToldEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly data: Uint8Array;
}

interface GroupFacts {
  readonly leaders: Map<Term, ReplicaId>;
  /** By term and index. */
  readonly entries: Map<number, EntryFacts>;
  readonly committed: Map<LogIndex, { term: Term; crc: number }>;
  readonly hashes: Map<LogIndex, { hash: string; who: string }>;
  highestCommitted: LogIndex;
  /** Values of entries up to here were noted. */
  highestSeen: LogIndex;
}

interface ReplicaFacts {
  readonly name: string;
  readonly log: Map<LogIndex, { term: Term; crc: number }>;
  last: LogIndex;
  commit: LogIndex;
  /** -1 when not known: after a start the state comes from a checkpoint. */
  applied: LogIndex;
}

/** Marks a value as unique, so that it can be found in an entry's bytes whatever frame is around it. */
export function uniqueValue(client: number, count: number): string {
  return `<${client}.${count}>`;
}
const UNIQUE_VALUE = /<\d+\.\d+>/g;

export class SafetyCheckers implements ReplicaObserver {
  elections = 0;
  snapshots = 0;
  violation: string | null = null;
  /** Called when a leader is elected: some faults strike then. */
  onLeader: ((node: NodeId, group: GroupId, term: Term) => void) | null = null;
  private readonly groups = new Map<GroupId, GroupFacts>();
  private readonly replicas = new Map<string, ReplicaFacts>();
  private readonly committedValues = new Set<string>();

  constructor(private readonly loop: SimLoop) {}

  /** Throws what was found since the last call. */
  check(): void {
    if (this.violation !== null) throw new SafetyViolation(this.violation);
  }

  /** A node starts again: what it had not committed may be gone. */
  onRestart(node: NodeId): void {
    for (const [key, replica] of this.replicas) {
      if (!key.startsWith(`${node}/`)) continue;
      for (const index of [...replica.log.keys()]) if (index > replica.commit) replica.log.delete(index);
      replica.last = replica.commit;
      replica.applied = -1;
    }
  }

  /** S6 */
  onAcknowledgedValue(value: string): void {
    const unique = value.match(UNIQUE_VALUE)?.[0];
    if (unique !== undefined && !this.committedValues.has(unique)) {
      this.report('S6', `the acknowledged value ${unique} is in no committed entry`);
    }
  }

  onRole(node: NodeId, group: GroupId, replica: ReplicaId, role: string, term: Term): void {
    this.loop.note(`role ${node} ${group} ${replica} ${role} ${term}`);
    if (role !== 'leader') return;
    const facts = this.group(group);
    const other = facts.leaders.get(term);
    if (other === replica) return;
    if (other !== undefined) {
      this.report('S1', `replicas ${other} and ${replica} both lead group ${group} in term ${term}`);
    }
    facts.leaders.set(term, replica);
    this.elections++;
    const committed = facts.committed.get(facts.highestCommitted);
    const own = this.replica(node, group, replica).log.get(facts.highestCommitted);
    if (committed && own && (own.term !== committed.term || own.crc !== committed.crc)) {
      this.report('S4', `the leader ${replica} of group ${group} lacks entry ${facts.highestCommitted}`);
    }
    this.onLeader?.(node, group, term);
  }

  onAppend(node: NodeId, group: GroupId, id: ReplicaId, entries: readonly ToldEntry[]): void {
    const first = entries[0];
    if (!first) return;
    const facts = this.group(group);
    const replica = this.replica(node, group, id);
    let previousTerm = first.index === 1 ? 0 : (replica.log.get(first.index - 1)?.term ?? UNKNOWN_TERM);
    for (const entry of entries) {
      const crc = crc32(entry.data);
      const old = replica.log.get(entry.index);
      if (old && entry.index <= replica.commit && (old.term !== entry.term || old.crc !== crc)) {
        this.report('S3', `${replica.name} overwrites its committed entry ${entry.index}`);
      }
      this.matchEntry(facts, replica, entry, crc, previousTerm);
      previousTerm = entry.term;
    }
    for (let i = first.index; i <= replica.last; i++) replica.log.delete(i);
    for (const entry of entries) {
      replica.log.set(entry.index, { term: entry.term, crc: crc32(entry.data) });
      replica.last = entry.index;
    }
    forgetOldest(replica.log);
  }

  onCommit(node: NodeId, group: GroupId, id: ReplicaId, commit: LogIndex, _term: Term): void {
    const facts = this.group(group);
    const replica = this.replica(node, group, id);
    for (let i = replica.commit + 1; i <= commit; i++) {
      const entry = replica.log.get(i);
      if (entry) this.matchCommitted(facts, replica, i, entry.term, entry.crc);
    }
    replica.commit = Math.max(replica.commit, commit);
  }

  onApply(node: NodeId, group: GroupId, id: ReplicaId, entry: ToldEntry, hash: () => string): void {
    const { index, term, data } = entry;
    const facts = this.group(group);
    const replica = this.replica(node, group, id);
    const state = hash();
    this.loop.note(`apply ${node} ${group} ${index} ${term} ${state}`);
    if (replica.applied >= 0 && index !== replica.applied + 1) {
      this.report('S5', `${replica.name} applied ${index} after ${replica.applied}`);
    }
    replica.applied = index;
    this.matchCommitted(facts, replica, index, term, crc32(data));
    if (index > facts.highestSeen) {
      facts.highestSeen = index;
      this.noteValues(data);
    }
    this.matchHash(facts, replica, index, state);
  }

  onSnapshot(node: NodeId, group: GroupId, id: ReplicaId, index: LogIndex, term: Term, hash: string): void {
    this.loop.note(`snapshot ${node} ${group} ${index} ${term} ${hash}`);
    this.snapshots++;
    const facts = this.group(group);
    const replica = this.replica(node, group, id);
    const committed = facts.committed.get(index);
    if (committed && committed.term !== term) {
      this.report('S3', `${replica.name} got a snapshot of ${index} in term ${term}, not ${committed.term}`);
    }
    replica.log.clear();
    if (committed) replica.log.set(index, committed);
    replica.last = index;
    replica.commit = index;
    replica.applied = index;
    this.matchHash(facts, replica, index, hash);
  }

  private matchEntry(
    facts: GroupFacts,
    replica: ReplicaFacts,
    { index, term }: ToldEntry,
    crc: number,
    previousTerm: Term,
  ): void {
    const key = term * 2 ** 32 + index;
    const known = facts.entries.get(key);
    if (!known) {
      facts.entries.set(key, { term, crc, previousTerm });
      forgetOldest(facts.entries);
      return;
    }
    if (known.crc !== crc) this.report('S2', `${replica.name} has another entry ${index} of term ${term}`);
    if (known.previousTerm === UNKNOWN_TERM) known.previousTerm = previousTerm;
    else if (previousTerm !== UNKNOWN_TERM && previousTerm !== known.previousTerm) {
      this.report('S2', `${replica.name}: before entry ${index} of term ${term} stands term ${previousTerm}`);
    }
  }

  private matchCommitted(
    facts: GroupFacts,
    replica: ReplicaFacts,
    index: LogIndex,
    term: Term,
    crc: number,
  ): void {
    const known = facts.committed.get(index);
    if (!known) {
      facts.committed.set(index, { term, crc });
      facts.highestCommitted = Math.max(facts.highestCommitted, index);
      forgetOldest(facts.committed);
    } else if (known.term !== term || known.crc !== crc) {
      this.report('S3', `${replica.name} committed another entry ${index}: term ${term}, not ${known.term}`);
    }
  }

  private matchHash(facts: GroupFacts, replica: ReplicaFacts, index: LogIndex, hash: string): void {
    const known = facts.hashes.get(index);
    if (!known) {
      facts.hashes.set(index, { hash, who: replica.name });
      forgetOldest(facts.hashes);
    } else if (known.hash !== hash) {
      this.report('S5', `at ${index} ${replica.name} has state ${hash}, but ${known.who} ${known.hash}`);
    }
  }

  private noteValues(data: Uint8Array): void {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
    for (const value of text.match(UNIQUE_VALUE) ?? []) this.committedValues.add(value);
  }

  private report(rule: string, what: string): void {
    this.violation ??= `${rule}: ${what} (at ${this.loop.now().toFixed(3)} ms)`;
  }

  private group(group: GroupId): GroupFacts {
    if (!this.groups.has(group)) {
      this.groups.set(group, {
        leaders: new Map(),
        entries: new Map(),
        committed: new Map(),
        hashes: new Map(),
        highestCommitted: 0,
        highestSeen: 0,
      });
    }
    return must(this.groups.get(group), 'group');
  }

  private replica(node: NodeId, group: GroupId, id: ReplicaId): ReplicaFacts {
    const key = `${node}/${group}/${id}`;
    let facts = this.replicas.get(key);
    if (!facts) {
      const name = `replica ${id} of group ${group} on node ${node}`;
      facts = { name, log: new Map(), last: 0, commit: 0, applied: -1 };
      this.replicas.set(key, facts);
    }
    return facts;
  }
}

export class SafetyViolation extends Error {
  override readonly name = 'SafetyViolation';
}

/** Maps keep the order of insertion: the first key is the oldest. */
function forgetOldest<K, V>(map: Map<K, V>): void {
  if (map.size <= WINDOW) return;
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
