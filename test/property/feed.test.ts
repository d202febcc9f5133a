/**
 * Goal: a copy that is kept by the events of the change feed is the state, whatever changes it, whichever replica tells
 * and wherever the reader was; what a window lost is told and never passed over. Method: random logs on replicas that
 * lag, restart from snapshots and keep windows of different sizes; readers that go from one to another with their
 * positions. The state after each entry, taken from a replica without a feed, is what they are compared with.
 */
import { expect, test } from 'vitest';
import { ByteWriter, equalBytes, Prng } from '../../src/base/index.js';
import {
  createKv,
  encodeEvict,
  FEED_START,
  FeedEvents,
  NO_FEED,
  type FeedAnswer,
  type FeedLimits,
  type FeedPosition,
  type Kv,
} from '../../src/kv/index.js';
import { FeedCopy, itemsIn, type Items } from '../support/feed-copy.js';
import { chunksOf, cmd, DEFAULTS, encodeEntry, loadedFrom, Op } from '../unit/kv/kv-driver.js';

interface LoggedEntry {
  readonly term: number;
  /** Null: of another kind, such as a change of members. */
  readonly data: Uint8Array | null;
}

/** A log, and the state after each of its entries. */
class Log {
  readonly entries: LoggedEntry[] = [];
  readonly states: Items[] = [new Map()];
  readonly kv = createKv({ ...DEFAULTS, feed: NO_FEED });
  private term = 1;
  private nowMs = 1_000_000;
  private sequence = 0;

  constructor(private readonly prng: Prng) {}

  extend(): void {
    const { prng, kv } = this;
    if (prng.chance(0.05)) this.term += prng.between(1, 3);
    if (prng.chance(0.3)) this.nowMs += prng.below(40);
    const data = this.entry();
    this.entries.push({ term: this.term, data });
    if (data !== null) kv.apply(this.entries.length, this.term, data, null);
    this.states.push(data === null ? (this.states.at(-1) as Items) : itemsIn(chunksOf(kv)));
  }

  private entry(): Uint8Array | null {
    const { prng, kv, nowMs } = this;
    if (prng.chance(0.05)) return null;
    if (prng.chance(0.05)) return new Uint8Array(0);
    const w = new ByteWriter();
    if (prng.chance(0.1) && kv.encodeReap(nowMs, prng.between(1, 8), w) > 0)
      return encodeEntry(nowMs, [w.take()]);
    const commands = Array.from({ length: prng.below(6) }, () => this.command());
    if (prng.chance(0.1)) commands.push(this.evict());
    return encodeEntry(nowMs, commands);
  }

  private command(): Uint8Array {
    const { prng } = this;
    const key = this.key();
    switch (prng.below(14)) {
      case 0:
        return cmd.many(Op.del, [key, this.key()]);
      case 1:
        return cmd.expire(key, { px: prng.below(60) });
      case 2:
        return cmd.persist(key);
      case 3:
        return cmd.getEx(key, { px: prng.between(1, 60) });
      case 4:
        return cmd.getDel(key);
      case 5:
        return cmd.append(key, 'x');
      case 6:
        return cmd.inSession(cmd.incrby('counter', 1n), { sequence: this.sequence + prng.below(2) });
      case 7:
        return cmd.inSession(cmd.incrby('counter', 1n), { sequence: ++this.sequence });
      case 8:
        return cmd.mset(Array.from({ length: prng.below(12) }, () => [this.key(), 'm'] as const));
      case 9:
        return prng.chance(0.1) ? cmd.flush() : cmd.get(key);
      case 10:
        return cmd.cas(key, prng.below(2) * this.kv.lastVersion, 'c');
      default:
        return cmd.set(key, `${prng.below(1000)}`, prng.chance(0.5) ? { px: prng.between(1, 80) } : {});
    }
  }

  /** Names some that are there, and one that is not. */
  private evict(): Uint8Array {
    const { prng, kv } = this;
    const names = kv.dueForReap(Number.MAX_SAFE_INTEGER, prng.below(4)).slice();
    const w = new ByteWriter();
    encodeEvict(w, [...names, { hash: 7, version: kv.lastVersion + 100 }]);
    return w.take();
  }

  private key(): string {
    const { prng } = this;
    return `k${prng.below(40)}`.padEnd(prng.pick([0, 0, 60, 200]), '.');
  }
}

/** Follows the log at its own pace, and is put back to a snapshot now and then. */
class FollowingReplica {
  kv: Kv;
  applied = 0;

  constructor(
    private readonly log: Log,
    private readonly limits: FeedLimits,
  ) {
    this.kv = createKv({ ...DEFAULTS, feed: limits });
  }

  applyTo(index: number): void {
    while (this.applied < index) {
      const { term, data } = this.log.entries[this.applied++] as LoggedEntry;
      if (data === null) this.kv.feed.advance(this.applied, term);
      else this.kv.apply(this.applied, term, data, null);
    }
  }

  /** Begins anew with the state of another: a restart, or a snapshot that was installed. */
  restore({ kv, applied }: FollowingReplica): void {
    this.kv = loadedFrom(chunksOf(kv), { feed: this.limits });
    this.applied = applied;
    this.kv.feed.place(applied, this.log.entries[applied - 1]?.term ?? 0);
  }
}

function readAt(kv: Kv, from: FeedPosition, bytesMax: number): { answer: FeedAnswer; bytes: Uint8Array } {
  const out = new ByteWriter();
  out.u8(7); // what stands there already stays
  const answer = kv.feed.read(from, bytesMax, out);
  return { answer, bytes: out.view().subarray(1) };
}

interface Tally {
  tooOld: number;
  ahead: number;
  ends: number;
  wholes: number;
}

/** One step of a reader at a replica; the copy is compared wherever its entry is whole. */
function step(copy: FeedCopy, log: Log, replica: FollowingReplica, bytesMax: number, tally: Tally): void {
  const { kv } = replica;
  const { answer, bytes } = readAt(kv, copy.position, bytesMax);
  copy.take(answer, bytes, 0, bytes.length, (hash, version, into) => kv.itemOf(hash, version, into));
  const { index, version } = copy.position;
  switch (answer.kind) {
    case 'too_old': {
      const { oldest } = answer;
      expect(index < oldest.index || version < oldest.version).toBe(true);
      copy.restart(kv.feed.newest, log.states[replica.applied] as Items);
      tally.tooOld++;
      return;
    }
    case 'ahead':
      expect(index).toBeGreaterThan(replica.applied);
      tally.ahead++;
      return;
    case 'end':
      expect(index).toBe(replica.applied);
      tally.ends++;
      expect(copy.differenceFrom(log.states[index] as Items)).toBe(null);
      return;
    case 'changes':
      if (!answer.isWhole) return;
      // Values may be of later, versions are of here.
      tally.wholes++;
      expect(versionsOf(copy.items)).toBe(versionsOf(log.states[index] as Items));
      return;
    case 'other_history':
      expect.fail('every position is of this log');
  }
}

/** Keys and their versions, as one text. */
function versionsOf(items: Items): string {
  const lines: string[] = [];
  for (const [key, item] of items) lines.push(`${key} ${/\d+/.exec(item)?.[0] ?? ''}`);
  return lines.sort().join('\n');
}

test('a copy kept by events is the state, at whichever replica they are read', () => {
  const tally: Tally = { tooOld: 0, ahead: 0, ends: 0, wholes: 0 };
  for (let seed = 1; seed <= 6; seed++) {
    const prng = new Prng(seed);
    const log = new Log(prng.stream('log'));
    const replicas = [
      new FollowingReplica(log, { bytesMax: 1 << 20, eventsMax: 100_000 }),
      new FollowingReplica(log, { bytesMax: 8192, eventsMax: 300 }),
      new FollowingReplica(log, { bytesMax: 4096, eventsMax: 40 }),
    ];
    const copies = Array.from({ length: 4 }, () => new FeedCopy());
    for (let turn = 0; turn < 300; turn++) {
      log.extend();
      const last = log.entries.length;
      for (const replica of replicas)
        if (prng.chance(0.6)) replica.applyTo(prng.between(replica.applied, last));
      if (prng.chance(0.02)) {
        const [from, to] = [prng.pick(replicas), prng.pick(replicas)];
        if (to !== from && from.applied >= to.applied) to.restore(from);
        else if (from === to) to.restore(to);
      }
      for (const copy of copies) {
        if (prng.chance(0.5)) continue;
        step(copy, log, prng.pick(replicas), prng.pick([0, 20, 100, 1000, 1 << 20]), tally);
      }
    }
    for (const replica of replicas) replica.applyTo(log.entries.length);
    for (const copy of copies) {
      const { ends } = tally;
      while (tally.ends === ends) step(copy, log, replicas[1] as FollowingReplica, 200, tally);
      expect(copy.position).toEqual(replicas[0]?.kv.feed.newest);
    }
  }
  for (const count of Object.values(tally)) expect(count).toBeGreaterThan(30);
});

test('replicas tell the same bytes and the same next position, as far back as both go', () => {
  let compared = 0;
  for (let seed = 101; seed <= 106; seed++) {
    const prng = new Prng(seed);
    const log = new Log(prng.stream('log'));
    const wide = new FollowingReplica(log, { bytesMax: 1 << 20, eventsMax: 100_000 });
    const other = new FollowingReplica(log, { bytesMax: 6000, eventsMax: 100 });
    for (let turn = 0; turn < 300; turn++) log.extend();
    wide.applyTo(150);
    other.restore(wide);
    for (const replica of [wide, other]) replica.applyTo(log.entries.length);
    for (let from = FEED_START; ;) {
      const bytesMax = prng.pick([1, 50, 500]);
      const whole = readAt(wide.kv, from, bytesMax);
      const part = readAt(other.kv, from, bytesMax);
      if (part.answer.kind !== 'too_old') {
        compared++;
        expect(part.answer).toEqual(whole.answer);
        expect(equalBytes(part.bytes, whole.bytes)).toBe(true);
      } else {
        expect(from.version).toBeLessThan(part.answer.oldest.version);
      }
      if (whole.answer.kind === 'end') break;
      if (whole.answer.kind !== 'changes') throw new Error(whole.answer.kind);
      from = whole.answer.next;
    }
  }
  expect(compared).toBeGreaterThan(100);
});

test('from any position on that a reader can have, and from no other', () => {
  const prng = new Prng(7);
  const log = new Log(prng.stream('log'));
  const replica = new FollowingReplica(log, { bytesMax: 1 << 20, eventsMax: 100_000 });
  for (let turn = 0; turn < 150; turn++) log.extend();
  replica.applyTo(150);
  const { feed } = replica.kv;
  // Every position that was ever true: behind each event of each entry, and behind each entry.
  const real = new Set<string>();
  const show = ({ index, term, version }: FeedPosition): string => `${index} ${term} ${version}`;
  const again = new FollowingReplica(log, { bytesMax: 1 << 20, eventsMax: 100_000 });
  real.add(show(FEED_START));
  /** The last version at each index. */
  const ends = [0];
  for (const [i, { term }] of log.entries.entries()) {
    const before = again.kv.feed.version;
    again.applyTo(i + 1);
    const { version } = again.kv.feed;
    ends.push(version);
    for (let v = Math.min(before + 1, version); v <= version; v++)
      real.add(show({ index: i + 1, term, version: v }));
  }
  let good = 0;
  for (let index = 0; index <= 150; index++) {
    const term = log.entries[index - 1]?.term ?? 0;
    const drawn = Array.from({ length: 5 }, () => prng.below(feed.version + 2));
    const near = Array.from({ length: 9 }, (_, i) => Math.max(0, (ends[index] as number) + 3 - i));
    for (const version of [...drawn, ...near]) {
      for (const given of [term, term + 1, term - 1]) {
        const position = { index, term: given, version };
        const { answer, bytes } = readAt(replica.kv, position, 1 << 20);
        if (!real.has(show(position))) {
          if (answer.kind !== 'other_history') expect.fail(`${show(position)}: ${answer.kind}`);
          continue;
        }
        good++;
        let count = 0;
        for (const events = new FeedEvents().reset(bytes); events.next(); count++)
          if (events.version !== version + count + 1)
            expect.fail(`${show(position)}: event ${events.version}`);
        if (count !== feed.version - version) expect.fail(`${show(position)}: ${count} events`);
      }
    }
  }
  expect(good).toBeGreaterThan(300);
});
