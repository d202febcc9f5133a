/** What the state machine tells its change feed, and what the feed answers to whom. */
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../../../src/base/index.js';
import {
  encodeEvict,
  EventKind,
  FEED_START,
  FeedEvents,
  Item,
  NO_FEED,
  type FeedAnswer,
  type FeedLimits,
  type FeedPosition,
  type Kv,
} from '../../../src/kv/index.js';
import { chunksOf, cmd, encodeEntry, KvDriver, latin1, loadedFrom, Op } from './kv-driver.js';

const KIND_NAMES = Object.fromEntries(Object.entries(EventKind).map(([name, kind]) => [kind, name]));
const FEED: FeedLimits = { bytesMax: 64 * 1024, eventsMax: 1000 };

function read(kv: Kv, from: FeedPosition, bytesMax = 1 << 20): { answer: FeedAnswer; told: string[] } {
  const out = new ByteWriter();
  const answer = kv.feed.read(from, bytesMax, out);
  const events = new FeedEvents().reset(out.buffer, 0, out.length);
  const told: string[] = [];
  while (events.next()) {
    const key = latin1(events.keyBytes.subarray(events.keyStart, events.keyEnd));
    told.push(`${events.version} ${KIND_NAMES[events.kind]} ${key}`.trimEnd());
  }
  return { answer, told };
}

/** Everything told behind a position. */
function toldSince(kv: Kv, from: FeedPosition): string[] {
  const { answer, told } = read(kv, from);
  expect(answer.kind).toBe(told.length > 0 ? 'changes' : 'end');
  return told;
}

describe('what is told', () => {
  test('one event for each change of an item, numbered as its version, and none where nothing changed', () => {
    const d = new KvDriver();
    d.apply(cmd.set('a', '1'), cmd.mset([['b', '2'], ['c', '3']])); // prettier-ignore
    d.apply(
      cmd.incrby('a', 1n),
      cmd.append('b', 'x'),
      cmd.incrByFloat('c', '0.5'),
      cmd.setRange('b', 0, 'y'),
    );
    expect(toldSince(d.kv, FEED_START)).toEqual([
      '1 set a',
      '2 set b',
      '3 set c',
      '4 set a',
      '5 set b',
      '6 set c',
      '7 set b',
    ]);
    let before = d.kv.feed.newest;
    d.apply(
      cmd.expire('a', { px: 100 }),
      cmd.persist('a'),
      cmd.getEx('a', { px: 50 }),
      cmd.expire('b', { px: 0 }),
      cmd.set('c', 'z', { pxAt: 1 }),
    );
    expect(toldSince(d.kv, before)).toEqual([
      '8 expiry a',
      '9 expiry a',
      '10 expiry a',
      '11 deleted b',
      '12 deleted c',
    ]);
    before = d.kv.feed.newest;
    d.apply(
      cmd.incrby('a', 2n ** 63n - 1n),
      cmd.persist('absent'),
      cmd.many(Op.del, ['b', 'c']),
      cmd.cas('a', 99, 'no'),
      cmd.cad('b', 0),
      cmd.setRange('a', 0, ''),
      cmd.get('a'),
      cmd.mark(),
    );
    expect(toldSince(d.kv, before)).toEqual([]);
    d.apply(cmd.cas('a', 10, 'yes'), cmd.set('b', 'b'), cmd.getDel('b'), cmd.cad('a', 13), cmd.flush());
    expect(toldSince(d.kv, before)).toEqual([
      '13 set a',
      '14 set b',
      '15 deleted b',
      '16 deleted a',
      '17 flushed',
    ]);
    expect(d.kv.feed.version).toBe(d.kv.lastVersion);
  });

  test('E89 what is reaped is told as expired, and nothing of what was written again before', () => {
    const d = new KvDriver();
    d.apply(cmd.set('dead', '1', { px: 10 }), cmd.set('again', '2', { px: 10 }));
    const w = new ByteWriter();
    d.nowMs += 20;
    expect(d.kv.encodeReap(d.nowMs, 10, w)).toBe(2);
    const from = d.kv.feed.newest;
    // Expired, and absent by rule: a write of it is told, its end is not.
    d.apply(cmd.many(Op.del, ['dead']), cmd.set('again', '3'), w.take());
    expect(toldSince(d.kv, from)).toEqual(['3 set again', '4 expired dead']);
  });

  test('E92 what is evicted is told, and nothing of what has another version by then', () => {
    const d = new KvDriver();
    d.apply(cmd.set('a', '1'), cmd.set('b', '2'));
    const names = ['a', 'b'].map((key, i) => {
      const item = new Item();
      const out = new ByteWriter();
      d.kv.feed.read(FEED_START, 1 << 20, out);
      const events = new FeedEvents().reset(out.view());
      for (let left = i + 1; left > 0; left--) events.next();
      expect(d.kv.itemOf(events.hash, events.version, item)).toBe(true);
      expect(latin1(item.keyBytes.subarray(item.keyStart, item.keyEnd))).toBe(key);
      return { hash: events.hash, version: events.version };
    });
    const w = new ByteWriter();
    encodeEvict(w, names);
    const from = d.kv.feed.newest;
    d.apply(cmd.set('b', '3'), w.take());
    expect(toldSince(d.kv, from)).toEqual(['3 set b', '4 evicted a']);
    expect(d.kv.itemOf(names[1]?.hash as number, 2, new Item())).toBe(false);
  });

  test('E69 a write that comes again in its session is told once', () => {
    const d = new KvDriver();
    const write = cmd.inSession(cmd.incrby('n', 1n), { sequence: 1 });
    d.apply(write);
    d.apply(write, write);
    expect(toldSince(d.kv, FEED_START)).toEqual(['1 set n']);
  });
});

describe('positions', () => {
  test('a reader stops where it must, inside an entry too, and goes on there', () => {
    const d = new KvDriver();
    for (let i = 0; i < 3; i++) d.apply(...['x', 'y', 'z'].map((key) => cmd.set(`${key}${i}`, 'v')));
    const oneEvent = 15 + 2;
    let from = FEED_START;
    const seen: string[] = [];
    const wholes: boolean[] = [];
    for (;;) {
      const { answer, told } = read(d.kv, from, oneEvent);
      if (answer.kind === 'end') break;
      if (answer.kind !== 'changes') throw new Error(answer.kind);
      expect(told).toHaveLength(1);
      seen.push(...told);
      wholes.push(answer.isWhole);
      from = answer.next;
      expect(from.index).toBe(Math.ceil(from.version / 3));
    }
    expect(seen).toEqual(toldSince(d.kv, FEED_START));
    expect(wholes).toEqual([false, false, true, false, false, true, false, false, true]);
    // Less than an event takes one all the same; a byte short of three, two.
    expect(read(d.kv, FEED_START, 0).told).toHaveLength(1);
    expect(read(d.kv, FEED_START, 3 * oneEvent - 1).told).toHaveLength(2);
    expect(read(d.kv, FEED_START, 3 * oneEvent).told).toHaveLength(3);
  });

  test('one behind the applied entries is ahead, or of another history', () => {
    const d = new KvDriver();
    d.apply(cmd.set('a', '1'));
    d.kv.apply(2, 3, encodeEntry(d.nowMs, [cmd.set('b', '2')]), null);
    const kinds = (positions: FeedPosition[]): string[] => positions.map((p) => d.kv.feed.read(p, 100, new ByteWriter()).kind); // prettier-ignore
    expect(
      kinds([
        { index: 3, term: 3, version: 2 },
        { index: 3, term: 4, version: 9 },
      ]),
    ).toEqual(['ahead', 'ahead']);
    expect(
      kinds([
        { index: 3, term: 2, version: 3 }, // behind an entry of term 3 there is none of term 2
        { index: 3, term: 3, version: 1 }, // versions don't go back
        { index: 2, term: 2, version: 2 }, // of an entry that was lost
        { index: 1, term: 1, version: 2 }, // event 2 is of entry 2
        { index: 2, term: 3, version: 1 }, // entry 2 begins with event 2
        { index: 2, term: 3, version: 3 },
        { index: 0, term: 0, version: 1 },
      ]),
    ).toEqual(Array(7).fill('other_history'));
    expect(
      kinds([
        { index: 1, term: 1, version: 1 },
        { index: 2, term: 3, version: 2 },
      ]),
    ).toEqual(['changes', 'end']);
  });

  test('they move with entries that change nothing, and stay good behind them', () => {
    const d = new KvDriver();
    d.apply(cmd.set('a', '1'));
    const before = d.kv.feed.newest;
    d.apply();
    d.kv.apply(3, 1, new Uint8Array(0), null);
    d.kv.feed.advance(4, 2); // a change of members
    expect(read(d.kv, before).answer).toEqual({ kind: 'end', next: { index: 4, term: 2, version: 1 } });
    d.kv.apply(5, 2, encodeEntry(d.nowMs, [cmd.set('b', '2')]), null);
    for (const [index, term] of [
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 2],
    ] as const)
      // prettier-ignore
      expect(read(d.kv, { index, term, version: 1 }).told).toEqual(['2 set b']);
  });

  test('after a snapshot the feed begins at its entry, and numbers go on', () => {
    const d = new KvDriver();
    for (let i = 0; i < 5; i++) d.apply(cmd.set(`k${i}`, 'v'));
    const at = d.kv.feed.newest;
    const other = loadedFrom(chunksOf(d.kv));
    other.feed.place(5, 1);
    expect(other.feed.oldest).toEqual(at);
    expect(read(other, { index: 4, term: 1, version: 4 }).answer).toEqual({
      kind: 'too_old',
      oldest: at,
      newest: at,
    });
    d.apply(cmd.set('k6', 'v'));
    other.apply(6, 1, d.log[5] as Uint8Array, null);
    expect(toldSince(other, at)).toEqual(['6 set k6']);
    expect(toldSince(d.kv, at)).toEqual(['6 set k6']);
  });
});

describe('the window', () => {
  test('says too old once the next event is gone, and never tells less', () => {
    const d = new KvDriver({ feed: { bytesMax: 1 << 20, eventsMax: 10 } });
    for (let i = 1; i <= 25; i++) d.apply(cmd.set('a', `${i}`));
    expect(d.kv.feed.oldest).toEqual({ index: 15, term: 1, version: 15 });
    expect(read(d.kv, { index: 14, term: 1, version: 14 }).answer).toEqual({
      kind: 'too_old',
      oldest: { index: 15, term: 1, version: 15 },
      newest: { index: 25, term: 1, version: 25 },
    });
    expect(toldSince(d.kv, { index: 15, term: 1, version: 15 })).toHaveLength(10);
    expect(read(d.kv, FEED_START).answer.kind).toBe('too_old');
  });

  test('may begin inside an entry', () => {
    const d = new KvDriver({ feed: { bytesMax: 1 << 20, eventsMax: 10 } });
    const keys = Array.from({ length: 15 }, (_, i) => `k${i}`);
    d.apply(...keys.map((key) => cmd.set(key, 'v')));
    expect(d.kv.feed.oldest).toEqual({ index: 1, term: 1, version: 5 });
    expect(read(d.kv, FEED_START).answer.kind).toBe('too_old');
    expect(read(d.kv, { index: 1, term: 1, version: 4 }).answer.kind).toBe('too_old');
    expect(toldSince(d.kv, { index: 1, term: 1, version: 5 })).toHaveLength(10);
    expect(toldSince(d.kv, { index: 1, term: 1, version: 14 })).toEqual(['15 set k14']);
  });

  test('holds no more bytes than it may, whatever the keys', () => {
    const d = new KvDriver({ feed: { bytesMax: 8192, eventsMax: 1000 } });
    for (let round = 0; round < 400; round++) {
      const key = `${round}`.padStart((round * 37) % 700, 'k');
      d.apply(cmd.set(key, 'v'));
      const { feed } = d.kv;
      const before = { index: round, term: Math.min(round, 1), version: round };
      expect(feed.memoryBytes).toBeLessThanOrEqual(8192);
      expect(feed.eventCount).toBeGreaterThan(0);
      // The newest is whole: bytes of keys that go round the ring's end, too.
      expect(toldSince(d.kv, before)).toEqual([`${round + 1} set ${key}`]);
      expect(toldSince(d.kv, feed.oldest)).toHaveLength(feed.eventCount);
    }
  });

  test('a key that it can not hold empties it: it begins behind', () => {
    const d = new KvDriver({ feed: { bytesMax: 2048, eventsMax: 16 } });
    d.apply(cmd.set('a', '1'));
    const before = d.kv.feed.newest;
    d.apply(cmd.set('b', '2'), cmd.set('k'.repeat(5000), 'v'), cmd.set('c', '3'));
    expect(read(d.kv, before).answer.kind).toBe('too_old');
    expect(d.kv.feed.oldest).toEqual({ index: 2, term: 1, version: 3 });
    expect(toldSince(d.kv, d.kv.feed.oldest)).toEqual(['4 set c']);
  });

  test('without room nothing is kept, and everything but the end is too old', () => {
    const d = new KvDriver({ feed: NO_FEED });
    d.apply(cmd.set('a', '1'), cmd.set('b', '2'));
    expect(d.kv.feed.memoryBytes).toBe(0);
    expect(read(d.kv, FEED_START).answer.kind).toBe('too_old');
    expect(read(d.kv, d.kv.feed.newest).answer.kind).toBe('end');
  });

  test('changes of term do not pile up where nothing is written', () => {
    const d = new KvDriver({ feed: FEED });
    d.apply(cmd.set('a', '1'));
    const before = d.kv.feed.newest;
    for (let term = 2; term <= 60; term++) d.kv.apply(term, term, new Uint8Array(0), null);
    expect(read(d.kv, before).answer.kind).toBe('end');
    for (let term = 61; term <= 300; term++) d.kv.apply(term, term, new Uint8Array(0), null);
    expect(read(d.kv, before).answer.kind).toBe('too_old');
    const { oldest } = d.kv.feed;
    expect(oldest.term).toBe(oldest.index);
    expect(300 - oldest.index).toBeGreaterThanOrEqual(60);
    expect(300 - oldest.index).toBeLessThan(70);
    expect(read(d.kv, oldest).answer.kind).toBe('end');
  });

  test('an index far behind the oldest event empties it', () => {
    const d = new KvDriver({ feed: FEED });
    d.apply(cmd.set('a', '1'));
    const before = d.kv.feed.newest;
    d.kv.apply(2 ** 32 - 1, 1, encodeEntry(d.nowMs, [cmd.set('b', '2')]), null);
    expect(toldSince(d.kv, before)).toEqual(['2 set b']);
    d.kv.apply(2 ** 33, 1, encodeEntry(d.nowMs, [cmd.set('c', '3')]), null);
    expect(read(d.kv, before).answer.kind).toBe('too_old');
    const { answer, told } = read(d.kv, d.kv.feed.oldest);
    expect(told).toEqual(['3 set c']);
    expect(answer).toMatchObject({ next: { index: 2 ** 33 } });
  });

  test('its memory goes when its machine is closed', () => {
    const d = new KvDriver({ feed: FEED });
    d.apply(cmd.set('a', '1'));
    expect(d.kv.feed.memoryBytes).toBeGreaterThan(0);
    d.kv.close();
    expect(d.kv.feed.memoryBytes).toBe(0);
  });
});
