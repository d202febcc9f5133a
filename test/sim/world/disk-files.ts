/**
 * What a simulated file system keeps, and what a crash leaves of it. Every file has the bytes that processes see and
 * the bytes that are durable; names likewise. Power loss leaves of each unsynced write all, a part or nothing, and
 * of each unsynced change of a name either all or nothing.
 */
import type { Prng } from '../../../src/base/index.js';

class Content {
  private buffer = new Uint8Array(64);
  length = 0;

  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    if (end > this.buffer.length) {
      const grown = new Uint8Array(Math.max(end, this.buffer.length * 2));
      grown.set(this.buffer);
      this.buffer = grown;
    }
    this.buffer.set(bytes, offset);
    this.length = Math.max(this.length, end);
  }

  read(offset: number, length: number): Uint8Array {
    return this.buffer.slice(Math.min(offset, this.length), Math.min(offset + length, this.length));
  }

  flip(at: number, bit: number): void {
    this.buffer[at] = (this.buffer[at] as number) ^ (1 << bit);
  }

  copy(): Content {
    const copy = new Content();
    copy.buffer = this.buffer.slice();
    copy.length = this.length;
    return copy;
  }
}

export class Inode {
  seen = new Content();
  private durable = new Content();
  private unsynced: { offset: number; bytes: Uint8Array }[] = [];

  constructor(readonly isFolder: boolean) {}

  write(offset: number, bytes: Uint8Array): void {
    this.seen.write(offset, bytes);
    this.unsynced.push({ offset, bytes });
  }

  sync(): void {
    for (const { offset, bytes } of this.unsynced) this.durable.write(offset, bytes);
    this.unsynced = [];
  }

  losePower(prng: Prng): void {
    for (const { offset, bytes } of this.unsynced) {
      const fate = prng.below(3);
      if (fate === 0) continue;
      this.durable.write(offset, fate === 1 ? bytes : bytes.subarray(0, prng.below(bytes.length + 1)));
    }
    this.unsynced = [];
    this.seen = this.durable.copy();
  }

  /** Rot: the bit is wrong in the cache and on the platter. */
  flip(at: number, bit: number): void {
    this.seen.flip(at, bit);
    if (at < this.durable.length) this.durable.flip(at, bit);
  }
}

interface NameChange {
  readonly folder: string;
  readonly removed: string | null;
  readonly set: string | null;
  readonly inode: Inode | null;
}

export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

export class FileTree {
  private names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  private changes: NameChange[] = [];

  get(path: string): Inode | null {
    return this.names.get(path) ?? null;
  }

  hasFolder(folder: string): boolean {
    return folder === '/' || folder === '.' || this.names.get(folder)?.isFolder === true;
  }

  create(path: string): Inode {
    const inode = new Inode(false);
    this.change({ folder: folderOf(path), removed: null, set: path, inode });
    return inode;
  }

  makeFolder(folder: string): void {
    if (this.hasFolder(folder)) return;
    const parent = folderOf(folder);
    this.makeFolder(parent);
    this.change({ folder: parent, removed: null, set: folder, inode: new Inode(true) });
  }

  rename(from: string, to: string): void {
    const inode = this.get(from);
    if (inode) this.change({ folder: folderOf(to), removed: from, set: to, inode });
  }

  remove(path: string): void {
    if (this.names.has(path)) this.change({ folder: folderOf(path), removed: path, set: null, inode: null });
  }

  list(folder: string): string[] {
    const names: string[] = [];
    for (const path of this.names.keys()) if (folderOf(path) === folder) names.push(path);
    return names.map((path) => path.slice(path.lastIndexOf('/') + 1)).sort();
  }

  /** Paths of the files, not of the folders, in this folder and below. */
  filesBelow(folder: string): string[] {
    const paths: string[] = [];
    for (const [path, inode] of this.names) {
      if (!inode.isFolder && path.startsWith(`${folder}/`)) paths.push(path);
    }
    return paths.sort();
  }

  syncFolder(folder: string): void {
    this.changes = this.changes.filter((change) => {
      if (change.folder !== folder) return true;
      play(this.durableNames, change);
      return false;
    });
  }

  losePower(prng: Prng): void {
    for (const change of this.changes) if (prng.chance(0.5)) play(this.durableNames, change);
    this.changes = [];
    // A name in a folder whose own name did not survive can't be reached.
    for (const path of [...this.durableNames.keys()].sort()) {
      const folder = folderOf(path);
      if (folder !== '/' && folder !== '.' && !this.durableNames.has(folder)) this.durableNames.delete(path);
    }
    this.names = new Map(this.durableNames);
    for (const inode of new Set(this.names.values())) inode.losePower(prng);
  }

  private change(change: NameChange): void {
    play(this.names, change);
    this.changes.push(change);
  }
}

function play(names: Map<string, Inode>, change: NameChange): void {
  if (change.removed !== null) names.delete(change.removed);
  if (change.set !== null && change.inode) names.set(change.set, change.inode);
}
