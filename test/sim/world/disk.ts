/**
 * One node's disk: ordered stores and files that survive their process. Latencies, and what a crash takes, are drawn
 * from one Prng; every completion is an event of the loop and is noted in its trace.
 *
 * A life is an owner of the loop: `openStore(owner)` and `files(owner)` are that life's ports. End a life with
 * `loop.kill(owner)` and then `crash()` (power loss) or `processCrash()` (kill -9). What was in flight then has
 * happened or has not, at random; its completion never comes.
 */
import { assert, type Prng } from '../../../src/base/index.js';
import type {
  Done,
  Files,
  OpenFile,
  OpenOrderedStore,
  OrderedStore,
  StoreBatch,
  StoreRange,
  StoreRecord,
} from '../../../src/ports/index.js';
import { FileTree, folderOf, type Inode } from './disk-files.js';
import { SimBatch, StoreImage } from './disk-store.js';
import type { Owner, SimLoop } from './loop.js';

export interface SimDiskOptions {
  /** Told in the trace. */
  readonly name?: string;
  /** Bounds of the time for a read, an unsynced write, and an fsync, in milliseconds. */
  readonly readMs?: readonly [number, number];
  readonly writeMs?: readonly [number, number];
  readonly syncMs?: readonly [number, number];
  readonly freeBytes?: number;
  readonly totalBytes?: number;
}

export type DiskFault = 'ENOSPC' | 'EIO';
export type DiskTarget = 'store' | 'file' | 'sync';
/** What a disk does wrong and calls done: nothing, or the right thing in the wrong place. */
export type FalseWrite = 'lost' | 'misdirected';

interface InFlight {
  readonly owner: Owner;
  /** What the operation does to the disk; `completed` false when a crash cut it short. */
  readonly effect: ((completed: boolean) => void) | null;
  cancel: () => void;
}

const GIB = 1024 ** 3;

export class SimDisk {
  /** Times every latency; times that of an fsync alone, if that is more. */
  slowFactor = 1;
  slowSyncFactor = 1;
  /** What can still be written; null: as much as anybody likes. */
  roomBytes: number | null = null;
  freeBytes: number;
  totalBytes: number;
  /** Figures for reports. */
  storeWrites = 0;
  syncs = 0;
  crashes = 0;
  private readonly options: Required<SimDiskOptions>;
  private readonly tree = new FileTree();
  private readonly stores = new Map<string, StoreImage>();
  private readonly inFlight = new Set<InFlight>();
  private readonly faults: { target: DiskTarget; code: DiskFault; left: number }[] = [];
  private readonly deadLives = new Set<Owner>();
  private readonly falseWrites: { target: 'store' | 'file'; kind: FalseWrite }[] = [];

  constructor(
    private readonly loop: SimLoop,
    private readonly prng: Prng,
    options: SimDiskOptions = {},
  ) {
    this.options = {
      name: 'disk',
      readMs: [0.02, 0.2],
      writeMs: [0.02, 0.1],
      syncMs: [0.1, 1],
      freeBytes: 100 * GIB,
      totalBytes: 200 * GIB,
      ...options,
    };
    this.freeBytes = this.options.freeBytes;
    this.totalBytes = this.options.totalBytes;
  }

  openStore(owner: Owner): OpenOrderedStore {
    return (path, done) => {
      this.submit(owner, `open ${path}`, 'readMs', null, () => {
        const image = this.image(path);
        if (image.lockedBy !== 0 && !this.isOver(image.lockedBy)) {
          return done(coded('LOCKED', `${path} is open in another process`), null);
        }
        image.lockedBy = owner;
        image.open();
        done(null, new SimStore(this, owner, path, image));
      });
    };
  }

  files(owner: Owner): Files {
    return new SimFiles(this, owner, this.tree);
  }

  /** Kill -9: the operating system keeps what it was given. */
  processCrash(): void {
    this.crashes++;
    for (const operation of this.inFlight) {
      operation.cancel();
      if (this.prng.chance(0.5)) operation.effect?.(false);
      this.deadLives.add(operation.owner);
    }
    this.inFlight.clear();
    for (const image of this.stores.values()) {
      if (image.lockedBy !== 0) this.deadLives.add(image.lockedBy);
      image.lockedBy = 0;
    }
  }

  /** Power loss: what was not fsynced is lost, torn or there, as chance has it. */
  crash(): void {
    this.processCrash();
    for (const image of this.stores.values()) image.losePower(this.prng);
    this.tree.losePower(this.prng);
  }

  // --- Faults -----------------------------------------------------------------------------------------------------

  /** The next `count` operations on the target fail. */
  failNext(target: DiskTarget, code: DiskFault, count = 1): void {
    this.faults.push({ target, code, left: count });
  }

  /** The next write to the target is acknowledged, and lands nowhere or elsewhere. Of files only checkpoints'. */
  falsifyNext(target: 'store' | 'file', kind: FalseWrite): void {
    this.falseWrites.push({ target, kind });
  }

  /** Files of a folder and below. */
  filesBelow(folder: string): string[] {
    return this.tree.filesBelow(folder);
  }

  /** Keys of a store, as they would be scanned now. */
  storeKeys(path: string): Uint8Array[] {
    return this.image(path).keys();
  }

  /**
   * A bit flips in a store's log file: at the next opening a run of batches is silently gone, in the middle or at
   * the end. False when the log holds nothing to spoil. `from` counts from the last opening.
   */
  flipStoreBit(path: string, from?: number, count?: number): boolean {
    const image = this.stores.get(path);
    if (!image || image.logLength === 0) return false;
    const start = from ?? this.prng.below(image.logLength);
    image.drop(start, count ?? 1 + this.prng.below(Math.min(100, image.logLength - start)));
    return true;
  }

  /** A bit flips in a stored value: it is read back wrong from now on. */
  flipStoredValue(path: string, pick: (key: Uint8Array) => boolean): boolean {
    return this.stores.get(path)?.flipValue(pick, this.prng) ?? false;
  }

  /** A bit of a file flips, at `at` or anywhere. False when there is no such byte. */
  corruptFile(path: string, at?: number): boolean {
    const inode = this.tree.get(path);
    const length = inode?.seen.length ?? 0;
    if (!inode || length === 0 || (at ?? 0) >= length) return false;
    inode.flip(at ?? this.prng.below(length), this.prng.below(8));
    return true;
  }

  /** Removes a file durably, as a careless operator would. */
  removeFile(path: string): void {
    this.tree.remove(path);
    this.tree.syncFolder(folderOf(path));
  }

  /** Empties a store, as a careless operator would. */
  removeStore(path: string): void {
    this.stores.delete(path);
  }

  /** Batches a store has in its log file, that is since it was opened. */
  storeLogLength(path: string): number {
    return this.stores.get(path)?.logLength ?? 0;
  }

  /** All records of a store, as they would be scanned now. */
  storeRecords(path: string): StoreRecord[] {
    return this.image(path).scan({ gte: new Uint8Array(0), lt: new Uint8Array(300).fill(255) });
  }

  /** Names in a folder as processes see them. */
  names(folder: string): string[] {
    return this.tree.list(folder);
  }

  // --- For the ports ----------------------------------------------------------------------------------------------

  /** Runs an operation: its effect, then its completion, after a drawn time. A life that is over gets no answer. */
  submit(
    owner: Owner,
    what: string,
    latency: 'readMs' | 'writeMs' | 'syncMs',
    effect: ((completed: boolean) => void) | null,
    complete: () => void,
  ): void {
    if (this.isOver(owner)) return;
    const [low, high] = this.options[latency];
    // The slower of the two: together they would keep an fsync for minutes, long after both are over.
    const factor = Math.max(this.slowFactor, latency === 'syncMs' ? this.slowSyncFactor : 1);
    const delayMs = (low + (high - low) * this.prng.unit()) * factor;
    const operation: InFlight = { owner, effect, cancel: () => undefined };
    operation.cancel = this.loop.schedule(owner, delayMs, () => {
      this.inFlight.delete(operation);
      this.loop.note(`${this.options.name} ${what}`);
      effect?.(true);
      complete();
    });
    this.inFlight.add(operation);
  }

  /** An injected fault that is due for this target, or the disk is full. */
  takeFault(target: DiskTarget, bytes = 0): Error | null {
    const at = this.faults.findIndex((fault) => fault.target === target);
    const fault = this.faults[at];
    if (!fault) return this.takeRoom(bytes);
    if (--fault.left === 0) this.faults.splice(at, 1);
    return fault.code === 'ENOSPC' ? diskFull() : coded(fault.code, 'Input/output error');
  }

  private takeRoom(bytes: number): Error | null {
    if (this.roomBytes === null) return null;
    if (this.roomBytes < bytes) return diskFull();
    this.roomBytes -= bytes;
    return null;
  }

  /** Whether this write is one that only seems to happen. */
  takeFalseWrite(target: 'store' | 'file'): FalseWrite | null {
    const at = this.falseWrites.findIndex((write) => write.target === target);
    return this.falseWrites.splice(at, at < 0 ? 0 : 1)[0]?.kind ?? null;
  }

  /** For a write that went astray. */
  get chances(): Prng {
    return this.prng;
  }

  /** Whether a failed write reached the disk all the same. */
  chance(): boolean {
    return this.prng.chance(0.5);
  }

  private isOver(owner: Owner): boolean {
    return this.deadLives.has(owner) || this.loop.isDead(owner);
  }

  private image(path: string): StoreImage {
    let image = this.stores.get(path);
    if (!image) this.stores.set(path, (image = new StoreImage()));
    return image;
  }
}

class SimStore implements OrderedStore {
  private writing = false;
  private failure: Error | null = null;

  constructor(
    private readonly disk: SimDisk,
    private readonly owner: Owner,
    private readonly path: string,
    private readonly image: StoreImage,
  ) {}

  batch(): StoreBatch {
    return new SimBatch();
  }

  write(batch: StoreBatch, sync: boolean, done: Done): void {
    assert(batch instanceof SimBatch, 'batch of another store');
    assert(!this.writing, 'two writes in flight on one store');
    const fault = this.failure ?? this.disk.takeFault('store', batch.bytes);
    const falseWrite = this.disk.takeFalseWrite('store');
    this.writing = true;
    this.disk.storeWrites++;
    if (sync) this.disk.syncs++;
    const effect = (completed: boolean): void => {
      if (this.failure || (fault && !this.disk.chance())) return;
      if (falseWrite === 'misdirected') this.image.loseOlder(this.disk.chances);
      this.image.apply(batch, sync && completed && !fault, falseWrite !== null);
    };
    this.disk.submit(
      this.owner,
      `write ${this.path} ${batch.bytes}`,
      sync ? 'syncMs' : 'writeMs',
      effect,
      () => {
        this.writing = false;
        if (fault) this.failure = fault;
        done(fault);
      },
    );
  }

  scan(range: StoreRange, done: (error: Error | null, records: StoreRecord[]) => void): void {
    this.disk.submit(this.owner, `scan ${this.path}`, 'readMs', null, () => {
      done(this.failure, this.failure ? [] : this.image.scan(range));
    });
  }

  close(done: Done): void {
    this.disk.submit(this.owner, `close ${this.path}`, 'readMs', null, () => {
      this.failure ??= new Error('the store is closed');
      if (this.image.lockedBy === this.owner) this.image.lockedBy = 0;
      done(null);
    });
  }
}

class SimFiles implements Files {
  constructor(
    private readonly disk: SimDisk,
    private readonly owner: Owner,
    private readonly tree: FileTree,
  ) {}

  open(
    path: string,
    mode: 'read' | 'create' | 'update',
    done: (error: Error | null, file: OpenFile | null) => void,
  ): void {
    this.disk.submit(this.owner, `open ${path} ${mode}`, 'readMs', null, () => {
      const found = this.tree.get(path);
      if (mode === 'read' && !found) return done(coded('ENOENT', path), null);
      if (!found && !this.tree.hasFolder(folderOf(path))) return done(coded('ENOENT', path), null);
      const inode = found && mode !== 'create' ? found : this.tree.create(path);
      done(null, new SimFile(this.disk, this.owner, path, inode, this.tree));
    });
  }

  readAll(path: string, done: (error: Error | null, bytes: Uint8Array | null) => void): void {
    this.disk.submit(this.owner, `read ${path}`, 'readMs', null, () => {
      const content = this.tree.get(path)?.seen;
      done(null, content ? content.read(0, content.length) : null);
    });
  }

  list(folder: string, done: (error: Error | null, names: string[]) => void): void {
    this.disk.submit(this.owner, `list ${folder}`, 'readMs', null, () => done(null, this.tree.list(folder)));
  }

  makeFolder(folder: string, done: Done): void {
    this.change(`folder ${folder}`, () => this.tree.makeFolder(folder), done);
  }

  rename(from: string, to: string, done: Done): void {
    if (!this.tree.get(from)) {
      return this.disk.submit(this.owner, `rename ${from}`, 'readMs', null, () =>
        done(coded('ENOENT', from)),
      );
    }
    this.change(`rename ${from} ${to}`, () => this.tree.rename(from, to), done);
  }

  remove(path: string, done: Done): void {
    const effect = (): void => {
      if (this.disk.roomBytes !== null) this.disk.roomBytes += this.tree.get(path)?.seen.length ?? 0;
      this.tree.remove(path);
    };
    this.change(`remove ${path}`, effect, done);
  }

  syncFolder(folder: string, done: Done): void {
    const fault = this.disk.takeFault('sync');
    const effect = (): void => {
      if (!fault) this.tree.syncFolder(folder);
    };
    this.disk.submit(this.owner, `sync ${folder}`, 'syncMs', effect, () => done(fault));
  }

  space(path: string, done: (error: Error | null, freeBytes: number, totalBytes: number) => void): void {
    this.disk.submit(this.owner, `space ${path}`, 'readMs', null, () =>
      done(null, this.disk.roomBytes ?? this.disk.freeBytes, this.disk.totalBytes),
    );
  }

  private change(what: string, effect: () => void, done: Done): void {
    const fault = this.disk.takeFault('file');
    this.disk.submit(this.owner, what, 'writeMs', fault ? null : effect, () => done(fault));
  }
}

class SimFile implements OpenFile {
  private closed = false;

  constructor(
    private readonly disk: SimDisk,
    private readonly owner: Owner,
    private readonly path: string,
    private readonly inode: Inode,
    private readonly tree: FileTree,
  ) {}

  read(offset: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    this.use();
    this.disk.submit(this.owner, `read ${this.path} ${offset} ${length}`, 'readMs', null, () =>
      done(null, this.inode.seen.read(offset, length)),
    );
  }

  write(offset: number, bytes: Uint8Array, done: Done): void {
    this.use();
    const fault = this.disk.takeFault('file', bytes.length);
    const falseWrite = this.path.includes('/checkpoints/') ? this.disk.takeFalseWrite('file') : null;
    const effect = (): void => {
      // A full disk takes what fits.
      if (fault && !this.disk.chance()) return;
      if (falseWrite === 'misdirected') this.elsewhere()?.write(offset, bytes.slice());
      if (falseWrite !== null) return;
      this.inode.write(offset, fault ? bytes.slice(0, bytes.length >> 1) : bytes.slice());
    };
    this.disk.submit(this.owner, `write ${this.path} ${offset} ${bytes.length}`, 'writeMs', effect, () =>
      done(fault),
    );
  }

  sync(done: Done): void {
    this.use();
    const fault = this.disk.takeFault('sync');
    this.disk.syncs++;
    const effect = (): void => {
      if (!fault) this.inode.sync();
    };
    this.disk.submit(this.owner, `sync ${this.path}`, 'syncMs', effect, () => done(fault));
  }

  size(done: (error: Error | null, bytes: number) => void): void {
    this.use();
    this.disk.submit(this.owner, `size ${this.path}`, 'readMs', null, () =>
      done(null, this.inode.seen.length),
    );
  }

  close(done: Done): void {
    this.use();
    this.closed = true;
    this.disk.submit(this.owner, `close ${this.path}`, 'readMs', null, () => done(null));
  }

  /** Another file of the same folder, where this one's bytes land by mistake. */
  private elsewhere(): Inode | null {
    const others = this.tree.filesBelow(folderOf(this.path)).filter((path) => path !== this.path);
    return others.length === 0 ? null : this.tree.get(this.disk.chances.pick(others));
  }

  private use(): void {
    assert(!this.closed, `${this.path} is used after it was closed`);
  }
}

function diskFull(): Error {
  return coded('ENOSPC', 'No space left on device');
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
