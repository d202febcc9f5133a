/**
 * Room for writes under the shard's budget, made by the leader before the append (docs/decisions/0011-budgets.md).
 *
 *   sealed batches -> fits? -> goes | victims are named -> goes, one `evict` first in its entry | waits | is refused
 *
 * Invariants: commands of a connection leave in the order in which they came, so what waits holds up what is behind it,
 * but for what needs no room and is its connection's only one; what needs no room is never refused here; applied charge plus what is in flight stays within the budget, as far as this leader
 * knows; a refusal is given before the append. What waits is bounded by time, count and bytes.
 */
import {
  ByteReader,
  ByteWriter,
  ENTRY_HEADER_BYTES,
  readU32,
  type ErrorReason,
  type LogIndex,
  type MonoMs,
} from '../base/index.js';
import { encodeEvict, growth, growthOf, Tag, type Budget, type ItemName } from '../kv/index.js';
import type { MachineMemory } from './machine.js';
import type { ReplicaHost } from './replica-host.js';
import type { Replica } from './replica.js';
import type { CommandSink } from './sink.js';
import { pickBatch, withFirst, type WriteBatch } from './write-batch.js';

/** How long a command waits for room. */
export const ROOM_WAIT_MS = 1000;
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const WAITING_COUNT_MAX = 4096;
/** Items named by one command: bounds the work of one entry. */
export const EVICT_COUNT_MAX = 512;
/** What the items of one shard may come to where no budget says less: a table has no more segments than that needs. */
export const SHARD_BYTES_MAX = 3.5 * 1024 ** 3;
/** Without a budget nothing is counted below this: more than what may be in flight lies between. */
const UNCOUNTED_BYTES_MAX = 3 * 1024 ** 3;
/**
 * What a checkpoint that is being written may keep beyond the budget: a sixteenth of it, and so much. (Half of what
 * `memory.max` x 1.15 leaves; one checkpoint at a time is written on a node.) Past it writes wait for the checkpoint.
 */
const PINNED_SHARE = 1 / 16;
const PINNED_BYTES_FREE = 4 * 1024 * 1024;
/** Entries of nothing but evictions that one turn may add. */
const BARE_EVICTIONS_MAX = 4;

/** What a batch in flight adds at most, and what its `evict` frees. */
export interface RoomClaim {
  readonly leadership: number;
  bytes: number;
  items: number;
  freedBytes: number;
  freedItems: number;
}

interface Waiting {
  batch: WriteBatch;
  readonly sinceMs: MonoMs;
  /** The first command that has not left yet, and where it is in the batch's data. */
  next: number;
  at: number;
}

export class Room implements CommandSink {
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private waitingCount = 0;
  private leadership = 0;
  /** What earlier leaders left in the log ends here. */
  private settledIndex: LogIndex = 0;
  private bytes = 0;
  private items = 0;
  private freedBytes = 0;
  private freedItems = 0;
  private due = false;
  /** What waits does so for a checkpoint, as far as the last pass saw. */
  private waitsForPinned = false;
  private evictionsInFlight = 0;
  private isForItems = false;
  private readonly names: ItemName[] = [];
  private readonly out = new ByteWriter(256);

  constructor(
    private readonly replica: Replica,
    private readonly host: ReplicaHost,
  ) {}

  private get memory(): MachineMemory | undefined {
    return this.replica.machine.memory;
  }

  /** Bytes that the shard may come to. */
  private get bytesMax(): number {
    return shardBytesMax((this.memory as MachineMemory).budget);
  }

  get isDue(): boolean {
    return this.due;
  }

  /** Whether this command never waits for room; false also where there is no budget, and so nothing that waits. */
  isNoRoomNeeded(command: Uint8Array, start: number, end: number): boolean {
    const { memory } = this;
    if (memory === undefined || (memory.budget.bytesMax === 0 && memory.budget.itemsMax === 0)) return false;
    return !growthOf(command, start, end);
  }

  /** Something waits, or the shard is over its budget and can do something about it. */
  get isBusy(): boolean {
    if (this.waiting.length > 0 || this.evictionsInFlight > 0) return true;
    const { memory } = this;
    return memory !== undefined && memory.evictor !== null && this.excessBytes(0) + this.excessItems(0) > 0;
  }

  /** A new leadership: what an earlier one has in flight is applied before any room is given. */
  restart(): void {
    this.leadership++;
    this.bytes = this.items = this.freedBytes = this.freedItems = 0;
    this.evictionsInFlight = 0;
    this.due = false;
    this.settledIndex = this.replica.raft.lastIndex;
  }

  tick(): void {
    const first = this.waiting[0];
    const isLate = first !== undefined && this.host.clock.monoMs() - first.sinceMs >= ROOM_WAIT_MS;
    const isOver = first === undefined && this.evictionsInFlight === 0 && this.isBusy;
    // A checkpoint goes on, and comes to its end, without telling.
    if (isLate || isOver || this.waitsForPinned) this.wake();
  }

  /** Takes what is to be proposed, gives back what may be now. `stampMs` is the log's time. */
  pass(batches: WriteBatch[], stampMs: number): WriteBatch[] {
    this.due = this.waitsForPinned = false;
    const { memory } = this;
    if (memory === undefined) return batches;
    const { bytesMax, itemsMax } = memory.budget;
    const isUncounted = bytesMax === 0 && itemsMax === 0 && memory.charge < UNCOUNTED_BYTES_MAX;
    if (isUncounted && this.waiting.length === 0) return batches;
    for (const batch of batches) this.add(batch);
    const passed: WriteBatch[] = [];
    let bare = 0;
    for (;;) {
      const first = this.waiting[0];
      const ready = first === undefined ? this.bareEviction(stampMs) : this.admit(first, stampMs);
      if (ready === null && this.waiting[0] !== first) continue; // all of it was refused
      if (ready === null) break;
      passed.push(ready);
      if (ready.sinks[0] === this && ready.count === 1 && ++bare >= BARE_EVICTIONS_MAX) break;
    }
    if (this.waiting.some(({ batch }) => batch.urgent))
      this.waiting = this.waiting.filter((item) => this.takeUrgent(item, stampMs, passed));
    return passed;
  }

  /**
   * Out of a batch that waits: what may go at once, since nothing of its connection stands before it. False when nothing
   * is left of the batch.
   */
  private takeUrgent(item: Waiting, stampMs: number, into: WriteBatch[]): boolean {
    if (!item.batch.urgent) return true;
    const { batch, next, at } = item;
    const isUrgent = new Set(batch.urgent);
    const urgent: number[] = [];
    const others: number[] = [];
    for (let i = next; i < batch.count; i++) (isUrgent.has(i) ? urgent : others).push(i);
    item.batch = { ...batch, urgent: null };
    if (urgent.length === 0) return true;
    const taken = pickBatch(batch, next, at, batch.count, others);
    item.batch = pickBatch(batch, next, at, batch.count, urgent);
    item.next = 0;
    item.at = ENTRY_HEADER_BYTES;
    this.waitingCount -= taken.count;
    this.waitingBytes -= taken.data.length - ENTRY_HEADER_BYTES;
    into.push(withFirst(taken, null, this, stampMs, this.newClaim()));
    if (others.length > 0) return true;
    this.waitingBytes -= ENTRY_HEADER_BYTES;
    return false;
  }

  /** The batch was applied, or not appended after all. */
  release({ claim }: WriteBatch): void {
    if (claim === undefined || claim.leadership !== this.leadership) return;
    this.bytes -= claim.bytes;
    this.items -= claim.items;
    this.freedBytes -= claim.freedBytes;
    this.freedItems -= claim.freedItems;
    if (claim.freedItems > 0) this.evictionsInFlight--;
    if (this.waiting.length > 0) this.wake();
  }

  onApplied(index: LogIndex): void {
    if (index === this.settledIndex && this.waiting.length > 0) this.wake();
  }

  /** Gives up what waits: the leadership, or the replica, is at its end. */
  takeWaiting(): WriteBatch[] {
    const left = this.waiting.map((item) => pickBatch(item.batch, item.next, item.at));
    this.waiting = [];
    this.waitingBytes = this.waitingCount = 0;
    this.due = this.waitsForPinned = false;
    return left;
  }

  // ---- CommandSink: the `evict` commands -----------------------------------------------------------------------

  onResult(_token: number, bytes: Uint8Array, start: number, end: number): void {
    const reader = new ByteReader(bytes, start, end);
    if (reader.u8() !== Tag.int) return;
    this.host.metrics.evicted(this.isForItems ? 'items' : 'memory').inc(reader.u64());
    if (this.isBusy) this.wake();
  }

  onRefused(): void {
    // Its batch was not appended: `release` has counted it out.
  }

  // ---- admission -----------------------------------------------------------------------------------------------

  private add(batch: WriteBatch): void {
    this.waiting.push({ batch, sinceMs: this.host.clock.monoMs(), next: 0, at: ENTRY_HEADER_BYTES });
    this.waitingBytes += batch.data.length;
    this.waitingCount += batch.count;
  }

  /** All that earlier leaders left in the log is applied. */
  private get isSettled(): boolean {
    return this.replica.appliedIndex >= this.settledIndex;
  }

  private wake(): void {
    this.due = true;
    this.host.markDirty(this.replica);
  }

  private excessBytes(more: number): number {
    const memory = this.memory as MachineMemory;
    return Math.max(0, memory.charge + this.bytes - this.freedBytes + more - this.bytesMax);
  }

  /**
   * Whether what is kept for a checkpoint leaves no room. Evicting would free nothing: who goes is kept for it too. So
   * writes wait until some more of it is written.
   */
  private isPinnedFull(more: number): boolean {
    const { charge, pinnedBytes } = this.memory as MachineMemory;
    if (pinnedBytes === 0) return false;
    const bytes = charge + this.bytes - this.freedBytes + more + pinnedBytes;
    return bytes > this.bytesMax * (1 + PINNED_SHARE) + PINNED_BYTES_FREE;
  }

  private excessItems(more: number): number {
    const memory = this.memory as MachineMemory;
    const { itemsMax } = memory.budget;
    return itemsMax === 0
      ? 0
      : Math.max(0, memory.itemCount + this.items - this.freedItems + more - itemsMax);
  }

  /** As many commands of the first batch as may leave now; null when none may. */
  private admit(item: Waiting, stampMs: number): WriteBatch | null {
    const { batch } = item;
    const claim = this.newClaim();
    const wanted = growthFrom(item, (this.memory as MachineMemory).budget);
    if (this.excessBytes(wanted.bytes) > 0 || this.excessItems(wanted.items) > 0)
      this.chooseFor(wanted, claim);
    this.freedBytes += claim.freedBytes;
    this.freedItems += claim.freedItems;

    const first = item.next;
    const firstAt = item.at;
    let refused: number[] | null = null;
    while (item.next < batch.count) {
      const start = item.at + 4;
      const end = start + readU32(batch.data, item.at);
      const needsRoom = growthOf(batch.data, start, end);
      const verdict = needsRoom ? this.verdictOf(item) : 'goes';
      if (verdict === 'waits') break;
      if (verdict === 'goes') {
        this.bytes += growth.bytes;
        this.items += growth.items;
        claim.bytes += growth.bytes;
        claim.items += growth.items;
      } else {
        (refused ??= []).push(item.next);
        this.refuse(batch, item.next, verdict, start, end);
      }
      item.next++;
      item.at = end;
    }

    const count = item.next - first - (refused?.length ?? 0);
    const isDone = item.next === batch.count;
    this.waitingCount -= item.next - first;
    this.waitingBytes -= item.at - firstAt;
    if (isDone) {
      this.waiting.shift();
      this.waitingBytes -= ENTRY_HEADER_BYTES;
    }
    // An entry without commands is one for the time alone: it goes.
    if (count === 0 && this.names.length === 0 && batch.count > 0) return null;
    const left =
      refused === null && first === 0 && isDone
        ? batch
        : pickBatch(batch, first, firstAt, item.next, refused);
    return this.complete(left, claim, stampMs);
  }

  /** For the command that `growth` tells of. */
  private verdictOf({ sinceMs }: Waiting): 'goes' | 'waits' | ErrorReason {
    const { budget, evictor } = this.memory as MachineMemory;
    if (isGrowthTooMuch(budget)) return 'TOO_LARGE';
    const settled = this.isSettled;
    const hasRoom = this.excessBytes(growth.bytes) === 0 && this.excessItems(growth.items) === 0;
    this.waitsForPinned = hasRoom && this.isPinnedFull(growth.bytes);
    if (settled && hasRoom && !this.waitsForPinned) return 'goes';
    const isOver =
      this.host.clock.monoMs() - sinceMs >= ROOM_WAIT_MS ||
      this.waitingBytes > WAITING_BYTES_MAX ||
      this.waitingCount > WAITING_COUNT_MAX;
    return isOver || (settled && !hasRoom && evictor === null) ? 'OUT_OF_MEMORY' : 'waits';
  }

  private refuse(batch: WriteBatch, i: number, reason: ErrorReason, start: number, end: number): void {
    (batch.sinks[i] as CommandSink).onRefused(batch.tokens[i] as number, reason, 0, batch.data, start, end);
  }

  /** The shard is over its budget, and no write brings an `evict` along. */
  private bareEviction(stampMs: number): WriteBatch | null {
    if (this.excessBytes(0) === 0 && this.excessItems(0) === 0) return null;
    const claim = this.newClaim();
    this.chooseFor({ bytes: 0, items: 0 }, claim);
    if (this.names.length === 0) return null;
    this.freedBytes += claim.freedBytes;
    this.freedItems += claim.freedItems;
    return this.complete(EMPTY_BATCH, claim, stampMs);
  }

  private newClaim(): RoomClaim {
    this.names.length = 0;
    return { leadership: this.leadership, bytes: 0, items: 0, freedBytes: 0, freedItems: 0 };
  }

  /** Names victims for what is missing to `wanted`. */
  private chooseFor(wanted: { bytes: number; items: number }, claim: RoomClaim): void {
    const { evictor } = this.memory as MachineMemory;
    if (evictor === null || !this.isSettled) return;
    const bytes = this.excessBytes(wanted.bytes);
    const items = this.excessItems(wanted.items);
    if (bytes > 0) claim.freedBytes += evictor.choose(bytes, EVICT_COUNT_MAX, this.names);
    const missing = Math.min(EVICT_COUNT_MAX, items) - this.names.length;
    if (missing > 0) claim.freedBytes += evictor.choose(Number.MAX_SAFE_INTEGER, missing, this.names);
    claim.freedItems = this.names.length;
    this.isForItems = bytes === 0;
  }

  private complete(batch: WriteBatch, claim: RoomClaim, stampMs: number): WriteBatch {
    if (this.names.length === 0) return withFirst(batch, null, this, stampMs, claim);
    this.out.reset();
    encodeEvict(this.out, this.names);
    this.evictionsInFlight++;
    return withFirst(batch, this.out, this, stampMs, claim);
  }
}

const EMPTY_BATCH: WriteBatch = {
  data: new Uint8Array(ENTRY_HEADER_BYTES),
  count: 0,
  sinks: [],
  tokens: [],
  readBarrier: 0,
  reads: 0,
};

/** Whether the command that `growth` tells of can never have room. */
function isGrowthTooMuch(budget: Budget): boolean {
  const { itemsMax } = budget;
  return growth.bytes > shardBytesMax(budget) || (itemsMax > 0 && growth.items > itemsMax);
}

function shardBytesMax({ bytesMax }: Budget): number {
  return bytesMax === 0 ? SHARD_BYTES_MAX : Math.min(bytesMax, SHARD_BYTES_MAX);
}

/** What the commands that have not left yet may add, those left out that never will. */
function growthFrom({ batch, next, at }: Waiting, budget: Budget): { bytes: number; items: number } {
  const sum = { bytes: 0, items: 0 };
  for (let i = next, from = at; i < batch.count; i++) {
    const end = from + 4 + readU32(batch.data, from);
    if (growthOf(batch.data, from + 4, end) && !isGrowthTooMuch(budget)) {
      sum.bytes += growth.bytes;
      sum.items += growth.items;
    }
    from = end;
  }
  return sum;
}
