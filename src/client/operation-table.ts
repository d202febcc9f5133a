/**
 * Operations without an answer, as parallel arrays, and lists of them threaded through the arrays: waiting, sent and
 * refused operations cost no object each.
 *
 * The id of an operation on the wire is slot + generation * 2^18. Free slots are used again in the order in which they
 * became free, and at least half of them are always free, so that an id comes back only after some hundred million
 * operations: a late result meets a slot that has moved on, and is dropped.
 */
import { assert } from '../base/index.js';
import type { MonoMs, QuorateError } from '../base/index.js';
import type { ClientSession } from './client-session.js';
import type { ClientOperation } from './operation.js';

const SLOT_BITS = 18;
const SLOTS_MAX = 1 << SLOT_BITS;
const GENERATIONS = 2 ** (32 - SLOT_BITS);
const SLOTS_MIN = 8192;
/** Half of the slots stay free. */
export const PENDING_COUNT_LIMIT = SLOTS_MAX / 2;

const NONE = -1;

/** Where an operation is. `fresh`: never sent; `refused`: to be sent again; `sent`: on a stream. */
export const Place = { free: 0, fresh: 1, refused: 2, sent: 3 } as const;
export type Place = (typeof Place)[keyof typeof Place];

/** A list of slots in ascending order of their numbers; `first` and `last` are -1 when it is empty. */
export interface OperationList {
  readonly place: Place;
  first: number;
  last: number;
  count: number;
}

export function createList(place: Place): OperationList {
  return { place, first: NONE, last: NONE, count: 0 };
}

export class OperationTable {
  private capacity = SLOTS_MIN;
  private operations = new Array<ClientOperation | null>(SLOTS_MIN).fill(null);
  /** Last refusal of an operation that was sent and refused; or OUTCOME_UNKNOWN, see `isInDoubt`. */
  private refusals = new Array<QuorateError | null>(SLOTS_MIN).fill(null);
  /** Session of a write that was sent in one, and its sequence there; 0: none. */
  private sessions = new Array<ClientSession | null>(SLOTS_MIN).fill(null);
  private sequences = new Float64Array(SLOTS_MIN);
  private places = new Uint8Array(SLOTS_MIN);
  private lanes = new Int32Array(SLOTS_MIN);
  private next = new Int32Array(SLOTS_MIN);
  private previous = new Int32Array(SLOTS_MIN);
  private numbers = new Float64Array(SLOTS_MIN);
  private deadlines = new Float64Array(SLOTS_MIN);
  private generations = new Uint16Array(SLOTS_MIN);
  /** Free slots as a ring: taken at `freeHead`, given back behind the last. */
  private freeSlots = Int32Array.from({ length: SLOTS_MIN }, (_, i) => i);
  private freeHead = 0;
  private lastNumber = 0;
  count = 0;
  bytes = 0;

  /** Takes an operation; it is in no list yet. The caller holds `count` below PENDING_COUNT_LIMIT. */
  add(operation: ClientOperation, lane: number, deadline: MonoMs, bytes: number): number {
    if (this.count * 2 >= this.capacity) this.grow();
    const slot = this.freeSlots[this.freeHead] as number;
    this.freeHead = (this.freeHead + 1) % this.capacity;
    this.operations[slot] = operation;
    this.lanes[slot] = lane;
    this.numbers[slot] = ++this.lastNumber;
    this.deadlines[slot] = deadline;
    this.count++;
    this.bytes += bytes;
    return slot;
  }

  /** Frees a slot that is in no list, and returns what was in it. */
  release(slot: number, bytes: number): ClientOperation {
    const operation = this.operation(slot);
    assert(this.places[slot] === Place.free, `operation ${slot} is still in a list`);
    this.operations[slot] = null;
    this.refusals[slot] = null;
    this.setSession(slot, null, 0);
    this.generations[slot] = ((this.generations[slot] as number) + 1) % GENERATIONS;
    this.freeSlots[(this.freeHead + this.capacity - this.count) % this.capacity] = slot;
    this.count--;
    this.bytes -= bytes;
    return operation;
  }

  idOf(slot: number): number {
    return slot + (this.generations[slot] as number) * SLOTS_MAX;
  }

  /** Slot of the operation with this id; -1 when it is settled, or was sent again under another id. */
  slotOf(id: number): number {
    const slot = id % SLOTS_MAX;
    const isCurrent =
      slot < this.capacity &&
      this.operations[slot] !== null &&
      this.generations[slot] === (id - slot) / SLOTS_MAX;
    return isCurrent ? slot : NONE;
  }

  /** Gives the operation another id, so that results of its attempt so far are dropped. */
  renew(slot: number): void {
    this.generations[slot] = ((this.generations[slot] as number) + 1) % GENERATIONS;
  }

  operation(slot: number): ClientOperation {
    const operation = this.operations[slot];
    assert(operation, `slot ${slot} holds no operation`);
    return operation;
  }

  /** Whether this very operation is in the slot: it was not settled yet. */
  holds(slot: number, operation: ClientOperation): boolean {
    return this.operations[slot] === operation;
  }

  placeOf(slot: number): Place {
    return this.places[slot] as Place;
  }

  laneOf(slot: number): number {
    return this.lanes[slot] as number;
  }

  setLane(slot: number, lane: number): void {
    this.lanes[slot] = lane;
  }

  /** Operations are numbered in the order of the calls. */
  numberOf(slot: number): number {
    return this.numbers[slot] as number;
  }

  deadlineOf(slot: number): MonoMs {
    return this.deadlines[slot] as number;
  }

  refusalOf(slot: number): QuorateError | null {
    return this.refusals[slot] ?? null;
  }

  /** Once the write is in doubt, that is what there is to say. */
  setRefusal(slot: number, refusal: QuorateError): void {
    if (!this.isInDoubt(slot)) this.refusals[slot] = refusal;
  }

  sessionOf(slot: number): ClientSession | null {
    return this.sessions[slot] ?? null;
  }

  sequenceOf(slot: number): number {
    return this.sequences[slot] as number;
  }

  setSession(slot: number, session: ClientSession | null, sequence: number): void {
    this.sessions[slot] = session;
    this.sequences[slot] = sequence;
  }

  /** An attempt is unaccounted for: no later refusal says that the write had no effect. */
  isInDoubt(slot: number): boolean {
    return this.refusals[slot]?.code === 'OUTCOME_UNKNOWN';
  }

  /** The slot behind this one in its list, or -1. */
  after(slot: number): number {
    return this.next[slot] as number;
  }

  /** Puts the slot where its number belongs, looking from the end: nearly always it is the last. */
  insert(list: OperationList, slot: number): void {
    const number = this.numbers[slot] as number;
    let before = list.last;
    while (before !== NONE && (this.numbers[before] as number) > number)
      before = this.previous[before] as number;
    const behind = before === NONE ? list.first : (this.next[before] as number);
    this.previous[slot] = before;
    this.next[slot] = behind;
    if (before === NONE) list.first = slot;
    else this.next[before] = slot;
    if (behind === NONE) list.last = slot;
    else this.previous[behind] = slot;
    this.places[slot] = list.place;
    list.count++;
  }

  remove(list: OperationList, slot: number): void {
    assert(this.places[slot] === list.place, `operation ${slot} is in another list`);
    const before = this.previous[slot] as number;
    const behind = this.next[slot] as number;
    if (before === NONE) list.first = behind;
    else this.next[before] = behind;
    if (behind === NONE) list.last = before;
    else this.previous[behind] = before;
    this.places[slot] = Place.free;
    list.count--;
  }

  /** Calls `visit` with every slot in use that is due; returns the earliest deadline among the others, or Infinity. */
  visitDue(now: MonoMs, visit: (slot: number) => void): MonoMs {
    let earliest = Infinity;
    for (let slot = 0; slot < this.capacity; slot++) {
      if (this.operations[slot] === null) continue;
      const deadline = this.deadlines[slot] as number;
      if (deadline <= now) visit(slot);
      else if (deadline < earliest) earliest = deadline;
    }
    return earliest;
  }

  private grow(): void {
    const from = this.capacity;
    const to = from * 2;
    assert(to <= SLOTS_MAX, 'operation table is full');
    this.places = grown(this.places, new Uint8Array(to));
    this.lanes = grown(this.lanes, new Int32Array(to));
    this.next = grown(this.next, new Int32Array(to));
    this.previous = grown(this.previous, new Int32Array(to));
    this.sequences = grown(this.sequences, new Float64Array(to));
    this.numbers = grown(this.numbers, new Float64Array(to));
    this.deadlines = grown(this.deadlines, new Float64Array(to));
    this.generations = grown(this.generations, new Uint16Array(to));
    for (let slot = from; slot < to; slot++) {
      this.operations.push(null);
      this.refusals.push(null);
      this.sessions.push(null);
    }
    const free = from - this.count;
    const freeSlots = new Int32Array(to);
    for (let i = 0; i < free; i++) freeSlots[i] = this.freeSlots[(this.freeHead + i) % from] as number;
    for (let i = 0; i < from; i++) freeSlots[free + i] = from + i;
    this.freeSlots = freeSlots;
    this.freeHead = 0;
    this.capacity = to;
  }
}

function grown<A extends Uint8Array | Uint16Array | Int32Array | Float64Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
