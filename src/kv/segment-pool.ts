/**
 * The memory that segments are made of: buffers of one size, shared by all tables of the process.
 *
 * A buffer is a resizable `ArrayBuffer` of constant use: resized to 0 its pages go back to the system at once, without
 * waiting for a collector, and resized up again it begins with untouched pages, which take no memory until written. A
 * plain `ArrayBuffer` of this size comes from the C heap, which keeps what is freed between what is not.
 *
 * Bounded: a few buffers stay resident for the next that is asked for, some more are kept without memory, and those of
 * tables that were dropped at once (`retire`) go back step by step.
 */
import { assert } from '../base/index.js';

export const SEGMENT_BITS = 16;
export const SEGMENT_BYTES = 2 ** SEGMENT_BITS;

/** Kept with their memory: enough for tables under a steady load to hand them to each other. */
const RESIDENT_MAX = 8;
/** Kept without memory: an object each, and 64 KiB of addresses. */
const VACANT_MAX = 1024;
/** The system's page, or a small multiple: what is untouched above it takes no memory. */
const PAGE_BYTES = 4096;

/** ES2024; the engine has it, the library of types that pure folders use has not. */
interface ResizableBuffer extends ArrayBuffer {
  resize(byteLength: number): void;
}
type ResizableBufferConstructor = new (
  byteLength: number,
  options: { readonly maxByteLength: number },
) => ResizableBuffer;
const Resizable = ArrayBuffer as unknown as ResizableBufferConstructor;

/** One segment's memory. */
export class SegmentMemory {
  /** Of `SEGMENT_BYTES` while it is in use. */
  readonly bytes: Uint8Array;
  /** Bytes from the beginning that may have been written since the pages were last given back. */
  dirtyBytes = 0;
  private readonly buffer: ResizableBuffer;

  constructor() {
    this.buffer = new Resizable(SEGMENT_BYTES, { maxByteLength: SEGMENT_BYTES });
    this.bytes = new Uint8Array(this.buffer, 0, SEGMENT_BYTES);
  }

  /** Gives back the pages behind the first `keptBytes` bytes. */
  trim(keptBytes: number): void {
    const kept = Math.ceil(keptBytes / PAGE_BYTES) * PAGE_BYTES;
    if (this.dirtyBytes <= kept) return;
    this.buffer.resize(kept);
    this.buffer.resize(SEGMENT_BYTES);
    this.dirtyBytes = kept;
  }
}

export class SegmentPool {
  private readonly resident: SegmentMemory[] = [];
  private readonly vacant: SegmentMemory[] = [];
  private readonly retired: SegmentMemory[][] = [];

  take(): SegmentMemory {
    return this.resident.pop() ?? this.takeRetired() ?? this.vacant.pop() ?? new SegmentMemory();
  }

  give(memory: SegmentMemory): void {
    memory.dirtyBytes = SEGMENT_BYTES;
    if (this.resident.length < RESIDENT_MAX) this.resident.push(memory);
    else this.vacate(memory);
  }

  /** Takes all at once in constant time; `relax` gives their memory back. */
  retire(memories: SegmentMemory[]): void {
    if (memories.length > 0) this.retired.push(memories);
  }

  /** Gives back the memory of one buffer more than are kept for retired tables; false when there is none. */
  relax(): boolean {
    const memory = this.takeRetired();
    if (memory === undefined) return false;
    this.vacate(memory);
    return true;
  }

  /** As `relax`, for a table that is idle: what is kept resident goes too. */
  relaxAll(): boolean {
    if (this.relax()) return true;
    const memory = this.resident.pop();
    if (memory === undefined) return false;
    this.vacate(memory);
    return true;
  }

  private takeRetired(): SegmentMemory | undefined {
    const list = this.retired.at(-1);
    if (list === undefined) return undefined;
    const memory = list.pop();
    assert(memory !== undefined, 'an empty list of retired segments');
    if (list.length === 0) this.retired.pop();
    memory.dirtyBytes = SEGMENT_BYTES;
    return memory;
  }

  private vacate(memory: SegmentMemory): void {
    memory.trim(0);
    if (this.vacant.length < VACANT_MAX) this.vacant.push(memory);
  }
}

/** All tables of the process share it: memory that one gives up serves the next. Holds no state that a result shows. */
export const SHARED_SEGMENTS = new SegmentPool();
