/**
 * What a connection still owes, in the order asked. Results come in any order (one shard is faster than another);
 * replies go out in the order of the commands. A reply that is early is kept, encoded, until its turn.
 *
 *   sequence:  head (next to be sent) ... tail (next to be given away)
 *   slot:      sequence & (capacity - 1); its columns are parallel typed arrays
 *   held:      one byte arena for the early replies; a slot keeps start and end in it
 *
 * Invariants: head <= tail, tail - head <= capacity; a slot is `waiting` until its one result, then `held` unless it
 * was the head; heldBytes is the sum over held slots. No object per command. Sequences wrap at 2^29, so that they
 * stay small integers for the engine and leave room for the tokens of parts (gather.ts).
 */
import { assert, ByteWriter } from '../../base/index.js';
import { IDLE_BUFFER_BYTES_MAX } from './limits.js';
import type { RespVersion } from './reply-writer.js';

const SEQUENCE_BITS = 29;
const SEQUENCE_MASK = 2 ** SEQUENCE_BITS - 1;
/** Tokens from here on are not sequences. */
export const SEQUENCES = 2 ** SEQUENCE_BITS;

const CAPACITY_INITIAL = 16;
const ARENA_BYTES_INITIAL = 16;
const CAPACITY_KEPT_MAX = 1024;
/** The arena is tidied when it is this long and more than half of it was sent. */
const TIDY_BYTES_MIN = 64 * 1024;

const WAITING = 1;
const HELD = 2;

export class PendingReplies {
  /** Early replies, encoded. Write here between `beginHold` and `endHold` only. */
  held = new ByteWriter(ARENA_BYTES_INITIAL);
  /** Bytes of replies that wait for their turn. */
  heldBytes = 0;
  /** Bytes of the commands without an answer. */
  commandBytes = 0;

  private head = 0;
  private tail = 0;
  private slots = new Slots(0);

  get count(): number {
    return (this.tail - this.head) & SEQUENCE_MASK;
  }

  /** Takes the next place in the order; returns its sequence. */
  push(row: number, version: RespVersion, keys: number, bytes: number, startMs: number): number {
    if (this.count === this.slots.capacity) {
      this.resize(Math.max(CAPACITY_INITIAL, this.slots.capacity * 2));
    }
    const slots = this.slots;
    const sequence = this.tail;
    const slot = sequence & (slots.capacity - 1);
    slots.state[slot] = WAITING;
    slots.version[slot] = version;
    slots.row[slot] = row;
    slots.keys[slot] = keys;
    slots.bytes[slot] = bytes;
    slots.startMs[slot] = startMs;
    this.commandBytes += bytes;
    this.tail = (sequence + 1) & SEQUENCE_MASK;
    return sequence;
  }

  rowOf(sequence: number): number {
    return this.slots.row[this.waitingSlot(sequence)] as number;
  }

  versionOf(sequence: number): RespVersion {
    return this.slots.version[this.waitingSlot(sequence)] === 3 ? 3 : 2;
  }

  /** How many keys the command names. */
  keysOf(sequence: number): number {
    return this.slots.keys[this.waitingSlot(sequence)] as number;
  }

  startOf(sequence: number): number {
    return this.slots.startMs[this.waitingSlot(sequence)] as number;
  }

  isHead(sequence: number): boolean {
    return sequence === this.head;
  }

  /** The head was answered straight into the output. */
  completeHead(): void {
    this.waitingSlot(this.head);
    this.dropHead();
  }

  /** Where the reply of a command that isn't the head is to be written. */
  beginHold(sequence: number): ByteWriter {
    const slot = this.waitingSlot(sequence);
    this.slots.heldStart[slot] = this.held.length;
    return this.held;
  }

  endHold(sequence: number): void {
    const slot = this.waitingSlot(sequence);
    const bytes = this.held.length - (this.slots.heldStart[slot] as number);
    this.slots.heldEnd[slot] = this.held.length;
    this.slots.state[slot] = HELD;
    this.heldBytes += bytes;
  }

  /** Moves the replies whose turn has come into `out`. */
  drainInto(out: ByteWriter): void {
    while (this.head !== this.tail) {
      const slot = this.head & (this.slots.capacity - 1);
      if (this.slots.state[slot] !== HELD) break;
      const start = this.slots.heldStart[slot] as number;
      const end = this.slots.heldEnd[slot] as number;
      out.bytes(this.held.buffer, start, end);
      this.heldBytes -= end - start;
      this.dropHead();
    }
    this.tidy();
  }

  private dropHead(): void {
    const slot = this.head & (this.slots.capacity - 1);
    this.slots.state[slot] = 0;
    this.commandBytes -= this.slots.bytes[slot] as number;
    this.head = (this.head + 1) & SEQUENCE_MASK;
    if (this.head === this.tail && this.slots.capacity > CAPACITY_KEPT_MAX) this.resize(CAPACITY_INITIAL);
  }

  /** Messages are built only for a failure: this runs several times per command. */
  private waitingSlot(sequence: number): number {
    if (((sequence - this.head) & SEQUENCE_MASK) >= this.count) {
      assert(false, `sequence ${sequence} is not within ${this.head}..${this.tail}`);
    }
    const slot = sequence & (this.slots.capacity - 1);
    if (this.slots.state[slot] !== WAITING) assert(false, `sequence ${sequence} was answered before`);
    return slot;
  }

  private tidy(): void {
    const held = this.held;
    if (this.heldBytes === 0) {
      if (held.buffer.length > IDLE_BUFFER_BYTES_MAX) this.held = new ByteWriter(ARENA_BYTES_INITIAL);
      else held.reset();
    } else if (held.length > TIDY_BYTES_MIN && this.heldBytes < held.length / 2) {
      this.compact();
    }
  }

  /** Copies what is still held into an arena of its own. At least as many bytes were sent since the last time. */
  private compact(): void {
    const fresh = new ByteWriter(this.heldBytes * 2);
    for (let s = this.head; s !== this.tail; s = (s + 1) & SEQUENCE_MASK) {
      const slot = s & (this.slots.capacity - 1);
      if (this.slots.state[slot] !== HELD) continue;
      const start = this.slots.heldStart[slot] as number;
      this.slots.heldStart[slot] = fresh.length;
      fresh.bytes(this.held.buffer, start, this.slots.heldEnd[slot] as number);
      this.slots.heldEnd[slot] = fresh.length;
    }
    this.held = fresh;
  }

  private resize(capacity: number): void {
    const old = this.slots;
    const slots = new Slots(capacity);
    for (let s = this.head; s !== this.tail; s = (s + 1) & SEQUENCE_MASK) {
      slots.copy(s & (capacity - 1), old, s & (old.capacity - 1));
    }
    this.slots = slots;
  }
}

/** The columns, one place per slot. */
class Slots {
  readonly state: Uint8Array;
  readonly version: Uint8Array;
  readonly row: Uint16Array;
  readonly keys: Uint32Array;
  readonly bytes: Uint32Array;
  readonly startMs: Float64Array;
  readonly heldStart: Uint32Array;
  readonly heldEnd: Uint32Array;

  constructor(readonly capacity: number) {
    this.state = new Uint8Array(capacity);
    this.version = new Uint8Array(capacity);
    this.row = new Uint16Array(capacity);
    this.keys = new Uint32Array(capacity);
    this.bytes = new Uint32Array(capacity);
    this.startMs = new Float64Array(capacity);
    this.heldStart = new Uint32Array(capacity);
    this.heldEnd = new Uint32Array(capacity);
  }

  copy(to: number, from: Slots, at: number): void {
    this.state[to] = from.state[at] as number;
    this.version[to] = from.version[at] as number;
    this.row[to] = from.row[at] as number;
    this.keys[to] = from.keys[at] as number;
    this.bytes[to] = from.bytes[at] as number;
    this.startMs[to] = from.startMs[at] as number;
    this.heldStart[to] = from.heldStart[at] as number;
    this.heldEnd[to] = from.heldEnd[at] as number;
  }
}
