/** A node's storage on a simulated disk: opens, crashes and reopens, with the loop run until a callback came. */
import { MetricsRegistry, Prng, type Counter, type GroupId } from '../../../src/base/index.js';
import { crc32 } from '../../../src/adapters/crc32.js';
import { lz4Compressor } from '../../../src/adapters/lz4.js';
import type { Clock, Done, LogFields, Logger, Timers } from '../../../src/ports/index.js';
import type { Configuration, Entry } from '../../../src/raft/index.js';
import {
  openCheckpoints,
  openLogStore,
  type CheckpointStore,
  type LogStore,
  type RecoveredGroup,
} from '../../../src/storage/index.js';
import { SimDisk, type SimDiskOptions } from '../../sim/world/disk.js';
import { SimLoop, type Owner } from '../../sim/world/loop.js';

export const FOLDER = '/data';
export const STORE = '/data/log';
/** Longer than anything here takes, shorter than a test's patience. */
const PATIENCE_MS = 120_000;

export const CONFIGURATION: Configuration = {
  version: 1,
  voters: [1, 2, 3],
  outgoing: [],
  learners: [4],
  learnersNext: [],
  autoLeave: false,
  highestId: 4,
  homes: [1, 2, 3, 4].map((id) => ({ replica: id, node: id })),
};

export function makeEntry(index: number, term = 1, text = `entry ${index}`): Entry {
  return { index, term, kind: 0, data: new TextEncoder().encode(text) };
}

export function makeEntries(from: number, to: number, term = 1): Entry[] {
  const entries: Entry[] = [];
  for (let index = from; index <= to; index++) entries.push(makeEntry(index, term));
  return entries;
}

export class StorageWorld {
  readonly loop = new SimLoop();
  readonly disk: SimDisk;
  readonly lines: { level: string; event: string; fields: LogFields }[] = [];
  owner: Owner;
  metrics = new MetricsRegistry();
  sync = true;

  constructor(seed = 1, options: SimDiskOptions = {}) {
    this.disk = new SimDisk(this.loop, new Prng(seed).stream('disk'), options);
    this.owner = this.loop.owner();
  }

  get clock(): Clock {
    return { wallMs: () => this.loop.now(), monoMs: () => this.loop.now() };
  }

  get timers(): Timers {
    const { loop, owner } = this;
    return {
      after: (delayMs, run) => loop.schedule(owner, delayMs, run),
      soon: (run) => void loop.schedule(owner, 0, run),
    };
  }

  get logger(): Logger {
    const log =
      (level: string) =>
      (event: string, fields: LogFields = {}): void =>
        void this.lines.push({ level, event, fields });
    const logger: Logger = {
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
      child: () => logger,
    };
    return logger;
  }

  get ports() {
    return {
      folder: FOLDER,
      files: this.disk.files(this.owner),
      crc32,
      compressor: lz4Compressor,
      clock: this.clock,
      timers: this.timers,
      logger: this.logger,
      metrics: this.metrics,
    };
  }

  /** Runs the loop until the callback came; throws its error. */
  wait<T>(start: (done: (error: Error | null, value: T) => void) => void): T {
    const outcome = this.outcome(start);
    if (outcome.error) throw outcome.error;
    return outcome.value;
  }

  /** The same, with the error as a value. */
  outcome<T>(start: (done: (error: Error | null, value: T) => void) => void): {
    error: (Error & { code?: string }) | null;
    value: T;
  } {
    let result: { error: Error | null; value: T } | null = null;
    let returned = false;
    start((error, value) => {
      if (!returned) throw new Error('callback from inside the call');
      if (result) throw new Error('callback came twice');
      result = { error, value };
    });
    returned = true;
    const limit = this.loop.now() + PATIENCE_MS;
    while (!result && this.loop.step(limit)) {
      /* until it came */
    }
    if (!result) throw new Error('the callback never came');
    return result;
  }

  do(start: (done: Done) => void): void {
    this.wait<void>((done) => start((error) => done(error)));
  }

  startOpen(done: (error: Error | null, log: LogStore | null) => void): void {
    const openStore = this.disk.openStore(this.owner);
    openLogStore({ ...this.ports, storePath: STORE, openStore, sync: this.sync }, done);
  }

  openOutcome() {
    return this.outcome<LogStore | null>((done) => this.startOpen(done));
  }

  open(): LogStore {
    const { error, value } = this.openOutcome();
    if (error || !value) throw error ?? new Error('nothing opened');
    return value;
  }

  checkpoints(chunkBytes = 1024): CheckpointStore {
    return openCheckpoints({ ...this.ports, chunkBytes });
  }

  /** Ends this life; the next `open` is another process. */
  endLife(how: 'power' | 'kill' | 'none'): void {
    this.loop.kill(this.owner);
    if (how === 'power') this.disk.crash();
    if (how === 'kill') this.disk.processCrash();
    this.owner = this.loop.owner();
    this.metrics = new MetricsRegistry();
  }

  reopen(how: 'power' | 'kill' = 'power'): LogStore {
    this.endLife(how);
    return this.open();
  }

  /** Lets timers fire and writes end. */
  settle(ms = 100): void {
    this.loop.runUntil(this.loop.now() + ms);
  }

  flush(log: LogStore): void {
    this.do((done) => log.flush(done));
  }

  counter(name: string): number {
    const family = this.metrics.list().find((row) => row.name === name);
    return (family?.cells ?? []).reduce((sum, row) => sum + (row.cell as Counter).value, 0);
  }
}

/** A node with groups 1..count, each with entries 1..last of term 1. */
export function makeNode(world: StorageWorld, count = 2, last = 5): LogStore {
  const log = world.open();
  for (let group = 1; group <= count; group++) {
    log.createGroup(group, group * 10 + 1, CONFIGURATION);
    log.saveHardState(group, { term: 1, vote: 2, commit: 0 });
    log.append(group, makeEntries(1, last));
  }
  world.flush(log);
  return log;
}

export function groupOf(log: LogStore, group: GroupId): RecoveredGroup {
  const found = log.recovered.groups.find((row) => row.group === group);
  if (!found) throw new Error(`group ${group} was not recovered`);
  return found;
}

export function fetchAll(
  world: StorageWorld,
  log: LogStore,
  group: GroupId,
  lo: number,
  hi: number,
): Entry[] {
  const entries: Entry[] = [];
  for (let at = lo; at < hi; at = lo + entries.length) {
    const page = world.wait<Entry[] | null>((done) => log.fetch(group, at, hi, 1 << 20, done));
    if (!page) throw new Error(`entries from ${at} on are gone`);
    entries.push(...page);
  }
  return entries;
}

export function textOf(entry: Entry): string {
  return new TextDecoder().decode(entry.data);
}
