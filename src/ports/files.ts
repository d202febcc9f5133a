import type { Done } from './ordered-store.js';

/**
 * Files, as much of them as checkpoints and the watermark need. Paths are joined with '/'. A file's bytes survive
 * power loss after its `sync`; a name (create, rename, remove) survives after `syncDir` of its folder.
 */
export interface OpenFile {
  /** Reads up to `length` bytes at `offset`; shorter only at the end of the file. */
  read(offset: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void;
  /** Writes all of `bytes` at `offset`. The bytes must not be changed before `done`. */
  write(offset: number, bytes: Uint8Array, done: Done): void;
  sync(done: Done): void;
  size(done: (error: Error | null, bytes: number) => void): void;
  close(done: Done): void;
}

export interface Files {
  /** `read`: must exist. `create`: empty, replaces what was there. `update`: created when absent, kept when there. */
  open(
    path: string,
    mode: 'read' | 'create' | 'update',
    done: (error: Error | null, file: OpenFile | null) => void,
  ): void;
  /** A whole small file, or null when there is none. */
  readAll(path: string, done: (error: Error | null, bytes: Uint8Array | null) => void): void;
  /** Names in a folder, sorted; empty when there is no such folder. */
  list(folder: string, done: (error: Error | null, names: string[]) => void): void;
  /** With parents; no error when there. */
  makeFolder(folder: string, done: Done): void;
  /** Replaces the target atomically. */
  rename(from: string, to: string, done: Done): void;
  /** No error when absent. */
  remove(path: string, done: Done): void;
  syncFolder(folder: string, done: Done): void;
  /** Free and total bytes of the disk that holds `path`. */
  space(path: string, done: (error: Error | null, freeBytes: number, totalBytes: number) => void): void;
}
