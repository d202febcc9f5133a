/**
 * Opens a node's log, in an order in which every step may be the last one before a crash:
 *
 *   1 FORMAT is read: a newer one, or an older, is refused before anything is touched
 *   2 the store is opened (its lock keeps a second process out)
 *   3 FORMAT is written if there is none
 *   4 watermark and the whole store are read, and judged (recovery.ts)
 *   5 the opening batch: low mark, replicas found suspect, the records behind cuts. Durable before anybody is told:
 *     a crash right after it finds the suspects again by their records, one before it by the same evidence
 *   6 the watermark file, and only now: a file made before step 5 would hide that it was missing
 */
import { KNOWN_VERSIONS, type MetricsRegistry, type VersionRange } from '../base/index.js';
import type {
  Clock,
  Crc32,
  Done,
  Files,
  Logger,
  OpenOrderedStore,
  OrderedStore,
  StoreRecord,
  Timers,
} from '../ports/index.js';
import type { LogStore } from './api.js';
import { checkFormat, writeFormat } from './format-file.js';
import { LevelLogStore } from './log-store.js';
import { RecoveryScan, type Recovery } from './recovery.js';
import { readWatermark, Watermark, type WatermarkFound } from './watermark.js';
import { runSteps } from './whole-file.js';

/** Bounds of one page of the opening scan. */
const PAGE_RECORDS = 2048;
const PAGE_BYTES = 4 * 1024 * 1024;
/** Above every key: the node's group number and a kind that no record has. */
const END_OF_KEYS = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff);

export interface LogStoreDeps {
  /** The data folder: holds FORMAT and WATERMARK. */
  readonly folder: string;
  /** The ordered store's own folder, usually `${folder}/log`. */
  readonly storePath: string;
  readonly openStore: OpenOrderedStore;
  readonly files: Files;
  readonly crc32: Crc32;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** False is unsafe: power loss takes acknowledged writes. */
  readonly sync: boolean;
  /** Cluster versions that this build knows; others in tests alone. */
  readonly versions?: VersionRange;
}

export function openLogStore(
  deps: LogStoreDeps,
  done: (error: Error | null, store: LogStore | null) => void,
): void {
  const fail = (error: Error | null): void => done(error ?? new Error('no error, and nothing opened'), null);
  const { versions = KNOWN_VERSIONS } = deps;
  checkFormat(deps.files, deps.folder, versions, (formatError, present) => {
    if (formatError) return fail(formatError);
    makeFolder(deps.files, deps.folder, present, (folderError) => {
      if (folderError) return fail(folderError);
      deps.openStore(deps.storePath, (storeError, store) => {
        if (storeError || !store) return fail(storeError);
        const finish = (error: Error | null, log: LogStore | null): void => {
          if (error) store.close(() => fail(error));
          else done(null, log);
        };
        if (present) return recover(deps, store, finish);
        writeFormat(deps.files, deps.folder, versions.min, (error) => {
          if (error) finish(error, null);
          else recover(deps, store, finish);
        });
      });
    });
  });
}

/** A new folder's own name has to be durable too, or everything in it may be gone after power loss. */
function makeFolder(files: Files, folder: string, present: boolean, done: Done): void {
  if (present) return done(null);
  const slash = folder.lastIndexOf('/');
  const parent = slash < 0 ? '.' : slash === 0 ? '/' : folder.slice(0, slash);
  runSteps([(next) => files.makeFolder(folder, next), (next) => files.syncFolder(parent, next)], done);
}

type Opened = (error: Error | null, store: LogStore | null) => void;

function recover(deps: LogStoreDeps, store: OrderedStore, done: Opened): void {
  readWatermark(deps, (watermarkError, watermark) => {
    if (watermarkError) return done(watermarkError, null);
    const scan = new RecoveryScan(deps.crc32);
    scanAll(store, scan, (scanError) => {
      if (scanError) return done(scanError, null);
      const result = scan.finish(watermark);
      if (result.error) return done(result.error, null);
      report(deps.logger, result.recovery);
      open(deps, store, result.recovery, watermark, done);
    });
  });
}

function scanAll(store: OrderedStore, scan: RecoveryScan, done: Done): void {
  const page = (gte: Uint8Array): void => {
    store.scan({ gte, lt: END_OF_KEYS, countMax: PAGE_RECORDS, bytesMax: PAGE_BYTES }, (error, records) => {
      if (error) return done(error);
      for (const { key, value } of records) scan.onRecord(key, value);
      const last = records[records.length - 1];
      if (last) page(keyAfter(last));
      else done(null);
    });
  };
  page(new Uint8Array(0));
}

/** The smallest key above this record's. */
function keyAfter(record: StoreRecord): Uint8Array {
  const key = new Uint8Array(record.key.length + 1);
  key.set(record.key);
  return key;
}

function open(
  deps: LogStoreDeps,
  store: OrderedStore,
  recovery: Recovery,
  found: WatermarkFound,
  done: Opened,
): void {
  const log = new LevelLogStore({ ...deps, store, recovery });
  log.openingBatch();
  log.flush((error) => {
    if (error) return done(error, null);
    // Without fsync the watermark promises nothing; a file that told nothing still has to be there next time.
    const batch = deps.sync ? recovery.next : 0;
    Watermark.open(deps, found, batch, (watermarkError, watermark) => {
      if (watermarkError || !watermark) return done(watermarkError, null);
      log.attachWatermark(watermark);
      if (deps.sync && found.kind === 'batch') watermark.move(recovery.next);
      done(null, log);
    });
  });
}

function report(logger: Logger, recovery: Recovery): void {
  if (recovery.damagedRecords > 0) {
    logger.error('damaged log records', { count: recovery.damagedRecords });
  }
  for (const { group, replica, suspect } of recovery.node.groups) {
    if (suspect !== null) logger.error('replica is suspect', { group, replica, reason: suspect });
  }
}
