/**
 * Names and holds of checkpoint files. Which names are ours, which files must not be deleted now: those that are
 * streamed (counted), those being written, those written in this life that no pointer has named yet, and what a
 * broken transfer may go on with.
 */
import { assert, type GroupId, type LogIndex, type MonoMs, type Term } from '../base/index.js';
import type { CheckpointPointer } from './api.js';
import { PartialFiles } from './partial-files.js';

const NAME = /^(\d{1,16})-(\d{1,16})\.ckpt$/;

export function checkpointName(index: LogIndex, term: Term): string {
  return `${index}-${term}.ckpt`;
}

/** The log index in a checkpoint's file name; null for any other name. */
export function indexOfName(name: string): LogIndex | null {
  const match = NAME.exec(name);
  return match ? Number(match[1]) : null;
}

export class CheckpointHolds {
  private readonly streams = new Map<string, number>();
  private readonly temporary = new Set<string>();
  private readonly unnamed = new Set<string>();
  private temporaryCount = 0;
  readonly partials = new PartialFiles();

  constructor(private readonly root: string) {}

  folder(group: GroupId): string {
    return `${this.root}/g${group}`;
  }

  /** A temporary name of its own for each writer; it never looks like a checkpoint's. */
  beginTemporary(group: GroupId): string {
    const name = `tmp-${++this.temporaryCount}`;
    this.temporary.add(`${group}/${name}`);
    return name;
  }

  endTemporary(group: GroupId, name: string): void {
    this.temporary.delete(`${group}/${name}`);
  }

  /** A whole file got its name; its pointer is still to be saved. */
  onPublished(group: GroupId, file: string): void {
    this.unnamed.add(`${group}/${file}`);
  }

  acquire(group: GroupId, file: string): void {
    const path = `${group}/${file}`;
    this.streams.set(path, (this.streams.get(path) ?? 0) + 1);
  }

  release(group: GroupId, file: string): void {
    const path = `${group}/${file}`;
    const count = this.streams.get(path) ?? 0;
    assert(count > 0, `checkpoint ${path} released more often than opened`);
    if (count === 1) this.streams.delete(path);
    else this.streams.set(path, count - 1);
  }

  /** Which of the names in a group's folder may be deleted, when `keep` is what pointers name. */
  deletable(
    group: GroupId,
    names: readonly string[],
    keep: readonly CheckpointPointer[],
    nowMs: MonoMs,
  ): string[] {
    const kept = new Set(keep.map((pointer) => pointer.file));
    const newest = keep.reduce((max, pointer) => Math.max(max, pointer.index), -1);
    const reach = keep.length === 0 ? Infinity : newest;
    return names.filter((name) => {
      const path = `${group}/${name}`;
      if (kept.has(name)) {
        this.unnamed.delete(path);
        return false;
      }
      if (this.temporary.has(path) || this.streams.has(path)) return false;
      if (this.partials.stays(group, name, reach, nowMs)) return false;
      const index = indexOfName(name);
      // Written after the caller made up its list: newer than all of it.
      if (this.unnamed.has(path) && index !== null && index > newest) return false;
      this.unnamed.delete(path);
      return true;
    });
  }
}
