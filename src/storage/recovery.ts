/**
 * Recovery of a node: one pass over the whole store, then the conclusions. Pure: records in, findings out.
 * Batch numbers speak for the node (a gap makes all its replicas suspect); damage inside a group speaks for that
 * group alone.
 */
import type { BatchNumber, GroupId, ReplicaId } from '../base/index.js';
import { NODE_GROUP, readRecordKey, RecordKind, RecordReader, type RecordKey } from '../codec/index.js';
import type { Crc32 } from '../ports/index.js';
import type { RecoveredGroup, RecoveredNode } from './api.js';
import { BatchScan, judgeBatches, type BatchVerdict } from './batch-window.js';
import { DeadRanges } from './dead-ranges.js';
import { StorageError } from './errors.js';
import type { GroupLog } from './group-log.js';
import { GroupScan } from './group-scan.js';
import type { WatermarkFound } from './watermark.js';

export interface Recovery {
  readonly node: RecoveredNode;
  readonly logs: Map<GroupId, GroupLog>;
  /** The number of the next batch. */
  readonly next: BatchNumber;
  /** Number records from here on may be deleted (up to `next`). */
  readonly numbersFrom: BatchNumber;
  readonly dead: DeadRanges;
  /** Records that must go in the very next batch. */
  readonly doomed: readonly Uint8Array[];
  /** Replicas found suspect now, to be remembered in the very next batch. */
  readonly newSuspects: readonly { readonly group: GroupId; readonly reason: string }[];
  readonly damagedRecords: number;
}

export class RecoveryScan {
  private readonly records: RecordReader;
  private readonly batches = new BatchScan();
  private readonly values = new Map<string, Uint8Array>();
  private readonly tombstones = new Map<GroupId, ReplicaId>();
  private readonly groups: RecoveredGroup[] = [];
  private readonly logs = new Map<GroupId, GroupLog>();
  private readonly dead = new DeadRanges();
  private readonly doomed: Uint8Array[] = [];
  private readonly newSuspects: { group: GroupId; reason: string }[] = [];
  private damagedRecords = 0;
  private damagedNodeRecord: string | null = null;
  private isEmpty = true;
  private current: GroupScan | null = null;
  private currentGroup: GroupId = -1;
  private readonly at: RecordKey = { group: 0, kind: 0, index: 0 };

  constructor(crc32: Crc32) {
    this.records = new RecordReader(crc32);
  }

  /** Every record of the store, in key order. */
  onRecord(key: Uint8Array, value: Uint8Array): void {
    this.isEmpty = false;
    const { at } = this;
    if (!readRecordKey(key, at)) {
      this.damagedRecords++;
      return;
    }
    if (at.group === NODE_GROUP) return this.onNodeRecord(key, value);
    if (at.group !== this.currentGroup) {
      this.endGroup();
      this.current = new GroupScan(at.group, this.records);
      this.currentGroup = at.group;
    }
    this.current?.onRecord(at, key, value);
  }

  /** The error is one that no replacing of replicas can heal. */
  finish(watermark: WatermarkFound): { error: StorageError } | { error: null; recovery: Recovery } {
    this.endGroup();
    const verdict = judgeBatches(this.batches, watermark, this.isEmpty);
    if (verdict.kind === 'missing') {
      const what = 'the log is empty although batches were written: it was removed or replaced';
      return { error: new StorageError('LOG_MISSING', what) };
    }
    if (this.damagedNodeRecord !== null) {
      const what = `the node's record "${this.damagedNodeRecord}" is damaged`;
      return { error: new StorageError('DAMAGED_NODE_RECORD', what) };
    }
    const groups = verdict.kind === 'gap' ? this.suspectAll(verdict.reason) : this.groups;
    return {
      error: null,
      recovery: {
        node: { groups, tombstones: this.tombstones, values: this.values },
        logs: this.logs,
        next: nextBatch(verdict),
        numbersFrom: this.batches.lowest ?? nextBatch(verdict),
        dead: this.dead,
        doomed: this.doomed,
        newSuspects: this.newSuspects,
        damagedRecords: this.damagedRecords,
      },
    };
  }

  private onNodeRecord(key: Uint8Array, value: Uint8Array): void {
    const { at } = this;
    if (at.kind === RecordKind.batchNumber) {
      // A damaged number is a missing one: it speaks for its batch no more.
      if (this.records.isWhole(key, value)) this.batches.onBatch(at.index);
      else this.damagedRecords++;
    } else if (at.kind === RecordKind.lowMark) {
      const low = this.records.lowMark(key, value);
      if (low === null) this.damagedRecords++;
      else this.batches.onLowMark(low);
    } else if (at.kind === RecordKind.nodeValue) {
      const found = this.records.nodeValue(key, value);
      if (found) this.values.set(found.name, found.bytes);
      else {
        this.damagedRecords++;
        this.damagedNodeRecord ??= String.fromCharCode(...key.subarray(5));
      }
    } else this.damagedRecords++;
  }

  private endGroup(): void {
    const scan = this.current;
    if (!scan) return;
    this.current = null;
    this.damagedRecords += scan.damagedRecords;
    const found = scan.finish();
    if (scan.tombstone !== null) this.tombstones.set(this.currentGroup, scan.tombstone);
    // Of a removed replica the end of a deletion may be missing.
    if (found || scan.tombstone !== null) for (const key of scan.doomed) this.doomed.push(key);
    if (!found) return;
    this.groups.push(found.group);
    this.logs.set(found.group.group, found.log);
    this.dead.add(found.group.group, scan.deadFrom, found.log.truncatedIndex + 1);
    if (found.isNew && found.group.suspect !== null) {
      this.newSuspects.push({ group: found.group.group, reason: found.group.suspect });
    }
  }

  /** What is wrong inside a group may well follow from the gap: the gap is the reason to tell. */
  private suspectAll(reason: string): RecoveredGroup[] {
    const remembered = new Set(this.groups.filter((row) => row.suspect !== null).map((row) => row.group));
    for (const { group } of this.newSuspects) remembered.delete(group);
    this.newSuspects.length = 0;
    return this.groups.map((group) => {
      if (remembered.has(group.group)) return group;
      this.newSuspects.push({ group: group.group, reason });
      return { ...group, suspect: reason };
    });
  }
}

function nextBatch(verdict: Exclude<BatchVerdict, { kind: 'missing' }>): BatchNumber {
  return verdict.kind === 'fresh' ? 1 : verdict.next;
}
