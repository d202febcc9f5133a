/**
 * Who leads each group, as far as this node has heard. A hint bears the term and configuration version that it was
 * seen in; compared in this order, a lower one never replaces a higher, so that gossip may arrive late, twice or
 * reordered and all nodes still end up with the same hints. Hints route; they prove nothing.
 *
 * Every accepted hint gets the next sequence number of this table. Gossip keeps one cursor per peer and sends what
 * came after it: the cost of a round is what changed, not how many groups there are.
 */
import type { ByteReader, ByteWriter, GroupId, NodeId, Term } from '../base/index.js';

export interface LeaderHint {
  readonly term: Term;
  readonly configurationVersion: number;
  /** 0: the term is known, its leader isn't. */
  readonly node: NodeId;
}

interface StoredHint extends LeaderHint {
  readonly sequence: number;
}

const FORMAT_VERSION = 1;
/** u32 group, u64 term, u64 configuration version, u32 node. */
const HINT_BYTES = 24;
/** Twice what a cluster of one shard per slot needs; hints for more groups than that are dropped. */
const GROUP_COUNT_MAX = 32_768;
/** Change lists shorter than this are not worth compacting. */
const CHANGES_COMPACT_MIN = 64;

export class LeaderHints {
  private readonly hints = new Map<GroupId, StoredHint>();
  /** Changes in order: sequence numbers, ascending, and whose hint changed. Superseded ones go in `compact`. */
  private changeSequences: number[] = [];
  private changeGroups: GroupId[] = [];
  private lastSequence = 0;

  /** Cursor past everything known now. */
  get sequence(): number {
    return this.lastSequence;
  }

  get groupCount(): number {
    return this.hints.size;
  }

  get(group: GroupId): LeaderHint | null {
    return this.hints.get(group) ?? null;
  }

  /** The group's leader, 0 when unknown. */
  nodeOf(group: GroupId): NodeId {
    return this.hints.get(group)?.node ?? 0;
  }

  /** Takes a hint unless it is lower than the present one; returns whether anything changed. */
  note(group: GroupId, term: Term, configurationVersion: number, node: NodeId): boolean {
    const present = this.hints.get(group);
    if (present === undefined) {
      if (this.hints.size >= GROUP_COUNT_MAX) return false;
    } else if (!isNewer(present, term, configurationVersion, node)) {
      return false;
    }
    const sequence = ++this.lastSequence;
    this.hints.set(group, { term, configurationVersion, node, sequence });
    this.changeSequences.push(sequence);
    this.changeGroups.push(group);
    if (this.changeGroups.length > 2 * this.hints.size + CHANGES_COMPACT_MIN) this.compact();
    return true;
  }

  /**
   * Writes the hints that changed after `cursor` (0: all), oldest change first, at most `countMax`; returns the
   * cursor to go on from. It equals `cursor` when there was nothing to tell.
   */
  encodeSince(cursor: number, countMax: number, w: ByteWriter): number {
    w.u8(FORMAT_VERSION);
    const countAt = w.length;
    w.u32(0);
    let count = 0;
    const reached = this.visitSince(cursor, countMax, (group, hint) => {
      w.u32(group);
      w.u64(hint.term);
      w.u64(hint.configurationVersion);
      w.u32(hint.node);
      count++;
    });
    w.putU32(countAt, count);
    return reached;
  }

  /** Gives what `encodeSince` would write; returns the cursor to go on from. */
  visitSince(cursor: number, countMax: number, visit: (group: GroupId, hint: LeaderHint) => void): number {
    let count = 0;
    let reached = cursor;
    for (let i = this.firstChangeAfter(cursor); i < this.changeGroups.length && count < countMax; i++) {
      const group = this.changeGroups[i] as GroupId;
      const hint = this.hints.get(group) as StoredHint;
      reached = this.changeSequences[i] as number;
      if (hint.sequence !== reached) continue; // told by a later change of the same group
      visit(group, hint);
      count++;
    }
    return reached;
  }

  /**
   * Merges what `encodeSince` of another node wrote; returns how many hints changed. Throws `ShortBytesError` or
   * `RangeError` on malformed bytes; a hint that stands before the malformed place may then be in already, which is
   * harmless.
   */
  merge(reader: ByteReader): number {
    const format = reader.u8();
    if (format !== FORMAT_VERSION) throw new RangeError(`leader hints: format version ${format} is unknown`);
    const count = reader.u32();
    if (count * HINT_BYTES > reader.remaining) throw new RangeError(`leader hints: ${count} do not fit`);
    let changed = 0;
    for (let i = 0; i < count; i++) {
      const group = reader.u32();
      const term = reader.u64();
      const configurationVersion = reader.u64();
      if (this.note(group, term, configurationVersion, reader.u32())) changed++;
    }
    return changed;
  }

  private firstChangeAfter(cursor: number): number {
    let low = 0;
    let high = this.changeSequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.changeSequences[middle] as number) <= cursor) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Drops superseded changes. Cursors stay valid: they are sequence numbers, not positions. */
  private compact(): void {
    const sequences: number[] = [];
    const groups: GroupId[] = [];
    for (const [i, group] of this.changeGroups.entries()) {
      const sequence = this.changeSequences[i] as number;
      if (this.hints.get(group)?.sequence !== sequence) continue;
      sequences.push(sequence);
      groups.push(group);
    }
    this.changeSequences = sequences;
    this.changeGroups = groups;
  }
}

/** Whether (term, configuration version) is higher; at the same pair, whether it names a leader not known before. */
function isNewer(present: StoredHint, term: Term, configurationVersion: number, node: NodeId): boolean {
  if (term !== present.term) return term > present.term;
  if (configurationVersion !== present.configurationVersion) {
    return configurationVersion > present.configurationVersion;
  }
  return present.node === 0 && node !== 0;
}
