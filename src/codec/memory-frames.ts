/**
 * Two small frames of the `forward` channel, both best effort: what a node tells the leader of group 0 about memory,
 * and what a shard's leader tells its voters about which items are read.
 *
 *   memory   u8 version | u8 6 | u32 node | u64 bytesMax | u64 itemsMax | u32 count
 *            | (u32 group | u64 charge | u64 items | u64 budget version | u64 budget bytes | u64 budget items)…
 *   touches  u8 version | u8 7 | u32 group | u32 count | u32 hash…
 *
 * A program that doesn't know these kinds drops the frame.
 */
import type { ByteReader, ByteWriter, GroupId, NodeId } from '../base/index.js';
import { putId, putSafe, readCount, restart } from './malformed.js';

/** Of all frames of the channel. */
export const FORWARD_VERSION = 1;
export const MemoryKind = { memory: 6, touches: 7 } as const;
const ROW_BYTES = 44;
const HASH_BYTES = 4;

export interface MemoryRow {
  readonly group: GroupId;
  readonly charge: number;
  readonly items: number;
  readonly budgetVersion: number;
  readonly budgetBytes: number;
  readonly budgetItems: number;
}

export interface MemoryReport {
  readonly node: NodeId;
  /** 0: no limit. */
  readonly bytesMax: number;
  readonly itemsMax: number;
  /** Of the shards that the node leads. */
  readonly rows: readonly MemoryRow[];
}

export interface MemoryVisitor {
  onMemory(report: MemoryReport): void;
  onTouches(group: GroupId, hashes: Uint32Array): void;
}

/** Writes a whole frame into an emptied writer and returns a view of it. */
export function encodeMemoryReport(w: ByteWriter, report: MemoryReport): Uint8Array {
  restart(w);
  w.u8(FORWARD_VERSION);
  w.u8(MemoryKind.memory);
  putId(w, report.node);
  putSafe(w, report.bytesMax);
  putSafe(w, report.itemsMax);
  w.u32(report.rows.length);
  for (const row of report.rows) {
    putId(w, row.group);
    putSafe(w, row.charge);
    putSafe(w, row.items);
    putSafe(w, row.budgetVersion);
    putSafe(w, row.budgetBytes);
    putSafe(w, row.budgetItems);
  }
  return w.view();
}

/** Writes a whole frame into an emptied writer and returns a view of it. */
export function encodeTouches(w: ByteWriter, group: GroupId, hashes: Uint32Array): Uint8Array {
  restart(w);
  w.u8(FORWARD_VERSION);
  w.u8(MemoryKind.touches);
  putId(w, group);
  w.u32(hashes.length);
  for (const hash of hashes) w.u32(hash);
  return w.view();
}

export function readMemoryReport(r: ByteReader): MemoryReport {
  const [node, bytesMax, itemsMax] = [r.u32(), r.u64(), r.u64()];
  const rows: MemoryRow[] = [];
  for (let left = readCount(r, ROW_BYTES, 'memory rows'); left > 0; left--) {
    rows.push({
      group: r.u32(),
      charge: r.u64(),
      items: r.u64(),
      budgetVersion: r.u64(),
      budgetBytes: r.u64(),
      budgetItems: r.u64(),
    });
  }
  return { node, bytesMax, itemsMax, rows };
}

export function readTouches(r: ByteReader, visitor: MemoryVisitor): void {
  const group = r.u32();
  const hashes = new Uint32Array(readCount(r, HASH_BYTES, 'touches'));
  for (let i = 0; i < hashes.length; i++) hashes[i] = r.u32();
  visitor.onTouches(group, hashes);
}
