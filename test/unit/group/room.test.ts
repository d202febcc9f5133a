/** Room under a budget: what goes, what waits, what is refused, and that evictions stand before the writes they serve. */
import { describe, expect, it, test } from 'vitest';
import { ByteReader, ByteWriter, ENTRY_HEADER_BYTES } from '../../../src/base/index.js';
import { encodeSetBudget, Op, type EvictionPolicy } from '../../../src/kv/index.js';
import { SMALL_ITEMS_BYTES_MAX } from '../../../src/kv/segment-store.js';
import { EVICT_COUNT_MAX, ROOM_WAIT_MS, SHARD_BYTES_MAX } from '../../../src/group/room.js';
import { delCommand, getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { ReplicaUnderTest } from '../../support/loop-replica.js';

/** Of an item with a key of two bytes and a value of 82. */
const ITEM_BYTES = 100;
const VALUE = 'v'.repeat(82);
const key = (i: number): string => String.fromCharCode(97 + Math.floor(i / 26), 97 + (i % 26));

class Shard {
  readonly t: ReplicaUnderTest;
  readonly sink = new RecordingSink();
  private version = 0;

  constructor(
    bytesMax: number,
    policy: EvictionPolicy = 's3fifo',
    itemsMax = 0,
    voters: readonly number[] = [1],
  ) {
    this.t = new ReplicaUnderTest(voters).lead();
    this.t.kv.setEviction(policy, 1);
    this.budget(bytesMax, itemsMax);
    this.settle();
    this.sink.take();
  }

  budget(bytesMax: number, itemsMax = 0): void {
    const w = new ByteWriter();
    encodeSetBudget(w, { version: ++this.version, bytesMax, itemsMax });
    this.write(0, w.take());
  }

  write(token: number, command: Uint8Array): void {
    this.sink.quiet = true;
    this.t.replica.submitWrite(command, 0, command.length, false, this.sink, token);
    this.sink.quiet = false;
  }

  set(token: number, name: string, value = VALUE): void {
    this.write(token, setCommand(name, value));
  }

  /** Answers and refusals since the last call, without the commands that come back. */
  told(): string[] {
    return this.sink.take().map((line) => line.replace(/^(\d+) refused (\w+) .*$/s, '$1: refused $2'));
  }

  settle(): void {
    this.t.settle();
    if (this.t.voters.length > 1) this.t.acknowledge();
    this.t.settle();
  }

  fill(count: number): void {
    for (let i = 0; i < count; i++) this.set(i, key(i));
    this.settle();
    this.sink.take();
  }

  /** The ops of each entry from the n-th on. */
  ops(from = 0): number[][] {
    return this.t
      .entries()
      .slice(from)
      .map((data) => {
        const ops: number[] = [];
        if (data.length === 0) return ops;
        const r = new ByteReader(data, ENTRY_HEADER_BYTES, data.length);
        while (r.remaining > 0) {
          const length = r.u32();
          ops.push(data[r.position] as number);
          r.skip(length);
        }
        return ops;
      });
  }

  tickFor(ms: number): void {
    for (let passed = 0; passed <= ms; passed += 50) {
      this.t.world.run(50);
      this.t.replica.tick(true);
      this.settle();
    }
  }
}

describe('a shard with room', () => {
  it('writes as ever', () => {
    const shard = new Shard(10 * ITEM_BYTES);
    const before = shard.ops().length;
    for (let i = 0; i < 10; i++) shard.set(i, key(i));
    shard.settle();
    expect(shard.ops(before)).toEqual([Array.from({ length: 10 }, () => Op.set)]);
    expect(shard.t.kv.charge).toBe(10 * ITEM_BYTES);
    expect(shard.sink.lines).toHaveLength(10);
  });
});

describe('a shard at its budget', () => {
  it('E92 evicts in the same entry, before the write that needs the room', () => {
    const shard = new Shard(10 * ITEM_BYTES);
    shard.fill(10);
    const before = shard.ops().length;
    shard.set(1, 'zz');
    shard.settle();
    expect(shard.ops(before)).toEqual([[Op.evict, Op.set]]);
    expect(shard.told()).toEqual(['1: ok']);
    expect(shard.t.kv.charge).toBe(10 * ITEM_BYTES);
    expect(shard.t.host.metrics.evicted('memory').value).toBe(1);
  });

  it('counts what is in flight: many writes in one turn never pass the budget', () => {
    const shard = new Shard(10 * ITEM_BYTES);
    for (let i = 0; i < 300; i++) {
      shard.set(i, key(i));
      if (i % 7 === 0) shard.t.turn();
      expect(shard.t.kv.charge).toBeLessThanOrEqual(10 * ITEM_BYTES);
    }
    shard.tickFor(3 * ROOM_WAIT_MS);
    expect(shard.t.kv.charge).toBeLessThanOrEqual(10 * ITEM_BYTES);
    expect(shard.sink.lines).toHaveLength(300);
    expect(shard.sink.lines.every((line) => line.endsWith(': ok'))).toBe(true);
  });

  it('keeps to a number of items, too', () => {
    const shard = new Shard(0, 's3fifo', 5);
    for (let i = 0; i < 50; i++) {
      shard.set(i, key(i));
      shard.settle();
      expect(shard.t.kv.itemCount).toBeLessThanOrEqual(5);
    }
    expect(shard.t.host.metrics.evicted('items').value).toBe(45);
  });

  it('makes room for one large value in several entries of bounded length', () => {
    const count = 3 * EVICT_COUNT_MAX;
    const shard = new Shard(count * ITEM_BYTES);
    for (let i = 0; i < count; i++) shard.set(i, `k${String(i).padStart(4, '0')}`, 'v'.repeat(79));
    shard.settle();
    shard.sink.take();
    expect(shard.t.kv.itemCount).toBe(count);
    const before = shard.ops().length;
    shard.set(1, 'large', 'x'.repeat(count * ITEM_BYTES - 1000));
    shard.set(2, 'ba');
    shard.settle();
    expect(shard.told()).toEqual(['1: ok', '2: ok']);
    expect(shard.ops(before).length).toBeGreaterThan(2);
    expect(shard.t.kv.charge).toBeLessThanOrEqual(count * ITEM_BYTES);
  });

  it('goes down to a smaller budget without a write', () => {
    const shard = new Shard(100 * ITEM_BYTES);
    shard.fill(100);
    shard.budget(20 * ITEM_BYTES);
    shard.tickFor(100);
    expect(shard.t.kv.itemCount).toBe(20);
    expect(shard.t.replica.quietness.ticking).toBe(false);
  });
});

describe('what finds no room', () => {
  it('waits, with all that comes behind it, and goes when there is some', () => {
    const shard = new Shard(2 * ITEM_BYTES, 's3fifo', 0, [1, 2, 3]);
    // Not applied yet, so that nothing can be named: what comes next waits.
    for (const [token, name] of ['aa', 'bb', 'cc', 'dd'].entries()) shard.set(token, name);
    shard.t.turn();
    shard.write(4, delCommand('aa'));
    shard.write(5, getCommand('dd'));
    shard.t.turn();
    expect(shard.ops(2).flat()).toEqual([Op.set, Op.set]);
    for (let i = 0; i < 4; i++) shard.settle();
    expect(shard.told()).toEqual(['0: ok', '1: ok', '2: ok', '3: ok', '4: 0', `5: "${VALUE}"`]);
    expect(shard.t.kv.charge).toBeLessThanOrEqual(2 * ITEM_BYTES);
  });

  it('is OUT_OF_MEMORY after a bounded time; deletes and reads behind it still go', () => {
    const shard = new Shard(2 * ITEM_BYTES, 's3fifo', 0, [1, 2, 3]);
    shard.set(0, 'aa');
    shard.set(1, 'bb');
    shard.set(2, 'cc');
    shard.write(3, delCommand('aa'));
    shard.t.turn();
    expect(shard.sink.lines).toEqual([]);
    shard.t.world.run(ROOM_WAIT_MS);
    shard.t.replica.tick(false);
    shard.t.settle();
    expect(shard.told()).toEqual(['2: refused OUT_OF_MEMORY']);
    shard.settle();
    expect(shard.told()).toEqual(['0: ok', '1: ok', '3: 1']);
  });

  it('is OUT_OF_MEMORY at once with policy none, and deletes make room', () => {
    const shard = new Shard(2 * ITEM_BYTES, 'none');
    shard.fill(2);
    shard.set(1, 'zz');
    shard.write(2, delCommand(key(0)));
    shard.settle();
    expect(shard.told()).toEqual(['1: refused OUT_OF_MEMORY', '2: 1']);
    shard.set(3, 'zz');
    shard.settle();
    expect(shard.told()).toEqual(['3: ok']);
  });

  it('is refused when it alone is larger than the budget', () => {
    const shard = new Shard(2 * ITEM_BYTES);
    shard.fill(2);
    shard.set(1, 'zz', 'v'.repeat(2 * ITEM_BYTES - 18));
    shard.settle();
    expect(shard.told()).toEqual(['1: ok']);
    shard.set(2, 'zz', 'v'.repeat(2 * ITEM_BYTES - 17));
    shard.settle();
    expect(shard.told()).toEqual(['2: refused TOO_LARGE']);
    expect(shard.t.kv.itemCount).toBe(1);
  });

  it('is bounded in number: the oldest give way', () => {
    const shard = new Shard(ITEM_BYTES, 's3fifo', 0, [1, 2, 3]);
    for (let i = 0; i < 5000; i++) shard.set(i, 'aa');
    shard.t.turn();
    const refused = shard.told();
    expect(refused.length).toBeGreaterThan(800);
    expect(refused.every((line) => line.endsWith('refused OUT_OF_MEMORY'))).toBe(true);
  });
});

test('who loses the leadership gives back what waits', () => {
  const shard = new Shard(ITEM_BYTES, 's3fifo', 0, [1, 2, 3]);
  shard.set(0, 'aa');
  shard.set(1, 'bb');
  shard.t.turn();
  expect(shard.sink.lines).toEqual([]);
  shard.t.step('heartbeat', { from: 2, term: shard.t.replica.raft.term + 1 });
  shard.t.settle();
  expect(shard.told()).toEqual(['1: refused NOT_LEADER']);
  expect(shard.t.replica.hasClientWork).toBe(false);
});

test('a new leader waits for what earlier ones left in the log', () => {
  const shard = new Shard(3 * ITEM_BYTES, 's3fifo', 0, [1, 2, 3]);
  shard.set(0, 'aa');
  shard.set(1, 'bb');
  shard.t.turn();
  shard.t.step('heartbeat', { from: 2, term: shard.t.replica.raft.term + 1 });
  shard.t.settle();
  shard.t.replica.raft.campaign();
  shard.t.settle();
  for (const from of shard.t.others()) shard.t.step('vote_response', { from });
  expect(shard.t.replica.raft.role).toBe('leader');
  shard.t.turn();
  const before = shard.ops().flat().length;
  shard.set(2, 'cc');
  shard.set(3, 'dd');
  shard.t.turn();
  expect(shard.ops().flat().length).toBe(before);
  for (let i = 0; i < 4; i++) shard.settle();
  expect(shard.t.kv.charge).toBeLessThanOrEqual(3 * ITEM_BYTES);
  expect(shard.told()).toEqual(['0: ok', '1: ok', '2: ok', '3: ok']);
});

describe('a shard without a budget', () => {
  it('refuses what a table could not hold, long before it could not, and takes deletes on', () => {
    const shard = new Shard(0);
    shard.fill(2);
    const charge = { of: SHARD_BYTES_MAX - ITEM_BYTES };
    Object.defineProperty(shard.t.kv, 'charge', { get: () => charge.of });
    shard.set(1, 'zy');
    shard.settle();
    expect(shard.told()).toEqual([expect.stringMatching(/^1/)]);
    charge.of++;
    shard.set(2, 'zz');
    shard.write(3, delCommand('aa'));
    shard.settle();
    expect(shard.told()).toEqual(['2: refused OUT_OF_MEMORY', expect.stringMatching(/^3/)]);
    expect(shard.t.kv.itemCount).toBe(2);
  });

  it('is given no share above that', () => {
    expect(SHARD_BYTES_MAX).toBeLessThan(SMALL_ITEMS_BYTES_MAX);
  });
});

describe('what needs no room, and is all that its connection waits for', () => {
  /** A shard whose leader may not evict yet: what needs room waits. */
  function waitingShard(): Shard {
    const shard = new Shard(2 * ITEM_BYTES, 's3fifo', 0, [1, 2, 3]);
    for (const [token, name] of ['aa', 'bb', 'cc', 'dd'].entries()) shard.set(token, name);
    shard.t.turn();
    return shard;
  }

  function writeAlone(shard: Shard, token: number, command: Uint8Array): void {
    shard.t.replica.submitWrite(command, 0, command.length, false, shard.sink, token, false, true);
  }

  it('goes before what waits, in a batch of its own kind', () => {
    const shard = waitingShard();
    expect(shard.ops(2).flat()).toEqual([Op.set, Op.set]);
    writeAlone(shard, 4, delCommand('aa'));
    writeAlone(shard, 5, delCommand('bb'));
    shard.t.turn();
    expect(shard.ops(2).flat()).toEqual([Op.set, Op.set, Op.del, Op.del]);
    for (let i = 0; i < 4; i++) shard.settle();
    expect(shard.told()).toEqual(['0: ok', '1: ok', '4: 1', '5: 1', '2: ok', '3: ok']);
    expect(shard.t.replica.hasClientWork).toBe(false);
  });

  it('goes out of a batch with others, which keep their order', () => {
    const shard = waitingShard();
    shard.set(4, 'ee');
    writeAlone(shard, 5, delCommand('aa'));
    shard.write(6, delCommand('bb'));
    shard.write(7, getCommand('cc'));
    writeAlone(shard, 8, delCommand('xx'));
    shard.t.turn();
    expect(shard.ops(2).flat()).toEqual([Op.set, Op.set, Op.del, Op.del]);
    for (let i = 0; i < 6; i++) shard.settle();
    const told = shard.told();
    expect(told.slice(0, 4)).toEqual(['0: ok', '1: ok', '5: 1', '8: 0']);
    expect(told.slice(4).map((line) => line[0])).toEqual(['2', '3', '4', '6', '7']);
  });

  it('is in the first entry where it comes with what has to wait, and that is refused in its time', () => {
    const shard = new Shard(2 * ITEM_BYTES, 's3fifo', 0, [1, 2, 3]);
    shard.set(0, 'aa');
    shard.set(1, 'bb');
    shard.set(2, 'cc');
    writeAlone(shard, 3, delCommand('aa'));
    shard.t.turn();
    expect(shard.ops(2).flat()).toEqual([Op.set, Op.set, Op.del]);
    shard.t.world.run(ROOM_WAIT_MS);
    shard.t.replica.tick(false);
    shard.t.settle();
    expect(shard.told()).toEqual(['2: refused OUT_OF_MEMORY']);
    shard.settle();
    expect(shard.told()).toEqual(['0: ok', '1: ok', '3: 1']);
  });
});

describe('while a checkpoint keeps what is overwritten', () => {
  const MIB = 1024 * 1024;
  const VALUE_BYTES = 16 * 1024;
  const COUNT = 400;
  /** 6.25 MiB of items; what is kept may take a sixteenth of the budget and 4 MiB beyond it. */
  const BUDGET = 7 * MIB;
  const LIMIT = BUDGET * (1 + 1 / 16) + 4 * MIB;

  function overwrite(shard: Shard, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      shard.set(i, `key${i % COUNT}`, 'w'.repeat(VALUE_BYTES));
      if (i % 10 === 9) shard.settle(); // more in flight would need room as new items do
    }
  }

  function started(policy: EvictionPolicy): Shard {
    const shard = new Shard(BUDGET, policy);
    overwrite(shard, 0, COUNT);
    shard.sink.take();
    return shard;
  }

  it.each(['s3fifo', 'none'] as const)('writes wait, and go on as it is written; policy %s', (policy) => {
    const shard = started(policy);
    const source = shard.t.kv.snapshot();
    overwrite(shard, 0, COUNT);
    const { kv } = shard.t;
    expect(kv.pinnedBytes).toBeGreaterThan(4 * MIB);
    expect(kv.charge + kv.pinnedBytes).toBeLessThanOrEqual(LIMIT);
    const early = shard.told().length;
    expect(early).toBeGreaterThan(COUNT / 2);
    expect(early).toBeLessThan(COUNT);
    expect(kv.itemCount).toBe(COUNT); // nobody was evicted: it would have given nothing
    while (source.next(MIB) !== null);
    expect(kv.pinnedBytes).toBe(0);
    shard.tickFor(50);
    expect(shard.told()).toHaveLength(COUNT - early);
  });

  it('writes that waited too long are refused, deletes go on', () => {
    const shard = started('s3fifo');
    const source = shard.t.kv.snapshot();
    overwrite(shard, 0, COUNT);
    shard.sink.take();
    shard.write(1000, delCommand('key1'));
    shard.tickFor(ROOM_WAIT_MS);
    const told = shard.told();
    expect(told.filter((line) => line.endsWith('refused OUT_OF_MEMORY')).length).toBeGreaterThan(0);
    expect(told.at(-1)).toBe('1000: 1');
    source.release?.();
    shard.set(1, 'key2');
    shard.settle();
    expect(shard.told()).toEqual(['1: ok']);
  });
});
