/**
 * Commands that a front end handed to the gateway and that have no answer yet, as parallel arrays: no object per
 * command. A handle is slot + generation * 2^20, so that an answer that comes after the deadline meets a slot that
 * has moved on, and is dropped.
 */
import { assert, type GroupId, type MonoMs, type NodeId } from '../base/index.js';
import type { ResultSink } from './gateway-port.js';

const SLOT_BITS = 20;
const SLOTS_MAX = 1 << SLOT_BITS;
const SLOTS_RESERVED = 1 << 16;

/** `local`: a read that the replica here answers as it can; it has no place in its shard's route. */
export const PendingState = { free: 0, held: 1, sent: 2, local: 3 } as const;
export type PendingState = (typeof PendingState)[keyof typeof PendingState];

export class PendingTable {
  private capacity = 1024;
  private sinks: (ResultSink | null)[] = [];
  private tokens = new Float64Array(this.capacity);
  private shards = new Int32Array(this.capacity);
  private states = new Uint8Array(this.capacity);
  private writes = new Uint8Array(this.capacity);
  /** 1 for what goes through the log: writes, and reads that must come after them. */
  private ordered = new Uint8Array(this.capacity);
  private deadlines = new Float64Array(this.capacity);
  private sequences = new Float64Array(this.capacity);
  private generations = new Float64Array(this.capacity);
  private sizes = new Float64Array(this.capacity);
  private targets = new Int32Array(this.capacity);
  /** Of the node's session; 0: none. */
  private sessionSequences = new Float64Array(this.capacity);
  /** 1: an attempt was lost, and may have run. */
  private doubts = new Uint8Array(this.capacity);
  private freshnesses = new Float64Array(this.capacity);
  /** The slots of one sink are a list, whose first is with the sink: forgetting it looks at nobody else's. */
  private nextOfSink = new Int32Array(this.capacity);
  private previousOfSink = new Int32Array(this.capacity);
  private readonly freeSlots: number[] = [];
  private used = 0;
  /** Commands without an answer, and their bytes. */
  count = 0;
  bytes = 0;

  /** No slot is left: a command must be refused. */
  get full(): boolean {
    return this.count >= SLOTS_MAX;
  }

  /** Front ends should hold back: what is left is for commands in many parts that are under way. */
  get nearlyFull(): boolean {
    return this.count >= SLOTS_MAX - SLOTS_RESERVED;
  }

  add(
    sink: ResultSink,
    token: number,
    shard: GroupId,
    isWrite: boolean,
    deadline: MonoMs,
    sequence: number,
    bytes: number,
    freshness = 0,
  ): number {
    let slot = this.freeSlots.pop();
    if (slot === undefined) {
      assert(this.used < SLOTS_MAX, 'pending table is full');
      if (this.used === this.capacity) this.grow();
      slot = this.used++;
    }
    this.sinks[slot] = sink;
    this.link(slot, sink);
    this.tokens[slot] = token;
    this.shards[slot] = shard;
    this.states[slot] = PendingState.held;
    this.writes[slot] = isWrite ? 1 : 0;
    this.deadlines[slot] = deadline;
    this.sequences[slot] = sequence;
    this.sizes[slot] = bytes;
    this.targets[slot] = 0;
    this.sessionSequences[slot] = 0;
    this.doubts[slot] = 0;
    this.freshnesses[slot] = freshness;
    this.ordered[slot] = isWrite ? 1 : 0;
    this.count++;
    this.bytes += bytes;
    sink.unanswered.add(shard, isWrite);
    return slot + (this.generations[slot] as number) * SLOTS_MAX;
  }

  /** The slot of a handle, or -1 when it was answered already. */
  slotOf(handle: number): number {
    const slot = handle % SLOTS_MAX;
    const generation = (handle - slot) / SLOTS_MAX;
    return this.generations[slot] === generation && this.states[slot] !== PendingState.free ? slot : -1;
  }

  handleOf(slot: number): number {
    return slot + (this.generations[slot] as number) * SLOTS_MAX;
  }

  free(slot: number): void {
    assert(this.states[slot] !== PendingState.free, 'slot freed twice');
    const sink = this.sinks[slot] as ResultSink;
    sink.unanswered.remove(this.shardOf(slot), this.ordered[slot] === 1);
    this.count--;
    this.bytes -= this.sizes[slot] as number;
    this.unlink(slot, sink);
    this.sinks[slot] = null;
    this.states[slot] = PendingState.free;
    this.generations[slot] = ((this.generations[slot] as number) + 1) % 4294967296;
    this.freeSlots.push(slot);
  }

  /** A read that rides in the log: what its connection sends after it must wait for it as for a write. */
  setViaLog(slot: number): void {
    if (this.ordered[slot] === 1) return;
    this.ordered[slot] = 1;
    const sink = this.sinks[slot] as ResultSink;
    sink.unanswered.remove(this.shardOf(slot), false);
    sink.unanswered.add(this.shardOf(slot), true);
  }

  setSent(slot: number, target: NodeId): void {
    this.states[slot] = PendingState.sent;
    this.targets[slot] = target;
  }

  setLocal(slot: number, target: NodeId): void {
    this.states[slot] = PendingState.local;
    this.targets[slot] = target;
  }

  /** A number of the group's freshness.ts; of no meaning for writes. */
  freshnessOf(slot: number): number {
    return this.freshnesses[slot] as number;
  }

  setFreshness(slot: number, freshness: number): void {
    this.freshnesses[slot] = freshness;
  }

  setHeld(slot: number): void {
    this.states[slot] = PendingState.held;
  }

  /** Its number in the node's session; 0: it has none. */
  sessionSequenceOf(slot: number): number {
    return this.sessionSequences[slot] as number;
  }

  setSessionSequence(slot: number, sequence: number): void {
    this.sessionSequences[slot] = sequence;
  }

  /** An earlier attempt is unaccounted for: no refusal of a later one says that it had no effect. */
  isInDoubt(slot: number): boolean {
    return this.doubts[slot] === 1;
  }

  setInDoubt(slot: number): void {
    this.doubts[slot] = 1;
  }

  /** Slots ever used: the range to sweep. */
  get slots(): number {
    return this.used;
  }

  sinkOf(slot: number): ResultSink {
    return this.sinks[slot] as ResultSink;
  }

  tokenOf(slot: number): number {
    return this.tokens[slot] as number;
  }

  shardOf(slot: number): GroupId {
    return this.shards[slot] as number;
  }

  stateOf(slot: number): number {
    return this.states[slot] as number;
  }

  isWrite(slot: number): boolean {
    return this.writes[slot] === 1;
  }

  deadlineOf(slot: number): MonoMs {
    return this.deadlines[slot] as number;
  }

  sequenceOf(slot: number): number {
    return this.sequences[slot] as number;
  }

  targetOf(slot: number): NodeId {
    return this.targets[slot] as number;
  }

  private link(slot: number, sink: ResultSink): void {
    const { unanswered } = sink;
    const next = unanswered.firstSlot;
    this.nextOfSink[slot] = next;
    this.previousOfSink[slot] = -1;
    if (next >= 0) this.previousOfSink[next] = slot;
    unanswered.firstSlot = slot;
  }

  private unlink(slot: number, sink: ResultSink): void {
    const next = this.nextOfSink[slot] as number;
    const previous = this.previousOfSink[slot] as number;
    if (next >= 0) this.previousOfSink[next] = previous;
    if (previous >= 0) this.nextOfSink[previous] = next;
    else sink.unanswered.firstSlot = next;
  }

  private grow(): void {
    this.capacity *= 2;
    const f64 = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const grown = new Float64Array(this.capacity);
      grown.set(old);
      return grown;
    };
    const i32 = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const grown = new Int32Array(this.capacity);
      grown.set(old);
      return grown;
    };
    const u8 = (old: Uint8Array): Uint8Array<ArrayBuffer> => {
      const grown = new Uint8Array(this.capacity);
      grown.set(old);
      return grown;
    };
    this.tokens = f64(this.tokens);
    this.deadlines = f64(this.deadlines);
    this.sequences = f64(this.sequences);
    this.sessionSequences = f64(this.sessionSequences);
    this.doubts = u8(this.doubts);
    this.generations = f64(this.generations);
    this.sizes = f64(this.sizes);
    this.shards = i32(this.shards);
    this.targets = i32(this.targets);
    this.freshnesses = f64(this.freshnesses);
    this.nextOfSink = i32(this.nextOfSink);
    this.previousOfSink = i32(this.previousOfSink);
    this.states = u8(this.states);
    this.writes = u8(this.writes);
    this.ordered = u8(this.ordered);
  }
}
