import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../../../src/base/index.js';
import { encodeReap } from '../../../src/kv/index.js';
import { applyTo, cmd, DEFAULTS, encodeEntry, KvDriver, Op } from './kv-driver.js';
import { createKv } from '../../../src/kv/index.js';

describe('entries', () => {
  test('results come one per command and in order, reads inside an entry included', () => {
    const d = new KvDriver();
    const results = d.apply(cmd.set('k', '1'), cmd.get('k'), cmd.incrby('k', 1n), cmd.get('k'), cmd.dbsize());
    expect(results).toEqual(['OK', '$1', 2n, '$2', 1n]);
  });

  test('an entry without commands moves the time and nothing else', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v'));
    d.nowMs += 5;
    expect(d.apply()).toEqual([]);
    expect(d.kv.timestampMs()).toBe(d.nowMs);
    const hash = d.kv.stateHash();
    expect(d.applyEntry(new Uint8Array(0))).toEqual([]);
    expect(d.kv.stateHash()).toBe(hash);
  });

  test('results do not depend on whether anybody takes them', () => {
    const d = new KvDriver();
    const silent = createKv(DEFAULTS);
    d.apply(cmd.set('k', '1'), cmd.incrby('k', 1n), cmd.many(Op.del, ['x']));
    for (const entry of d.log) silent.apply(1, 1, entry, null);
    expect(silent.stateHash()).toBe(d.kv.stateHash());
  });

  test('a reader inside a result callback does not disturb the entry', () => {
    const kv = createKv(DEFAULTS);
    const get = cmd.get('a');
    const out = new ByteWriter();
    const lengths: number[] = [];
    kv.apply(1, 1, encodeEntry(1, [cmd.set('a', '1'), cmd.get('a'), cmd.get('a')]), {
      onResult(_position, _bytes, start, end) {
        lengths.push(end - start);
        kv.read(get, 0, get.length, 1, out);
      },
    });
    expect(lengths).toEqual([1, 6, 6]);
  });
});

describe('malformed bytes', () => {
  test('every cut of every command is answered as malformed and changes nothing', () => {
    const d = new KvDriver();
    d.apply(cmd.set('k', '5', { px: 50 }), cmd.set('l', '6'));
    const reap = new ByteWriter();
    encodeReap(reap, d.kv.dueForReap(d.nowMs + 100, 10));
    const commands = [
      cmd.get('k'),
      cmd.set('k', 'value', { px: 5 }),
      cmd.many(Op.del, ['k', 'l']),
      cmd.many(Op.mget, ['k', 'l']),
      cmd.mset([['k', '1'], ['m', '2']]), // prettier-ignore
      cmd.incrby('k', 1n),
      cmd.expire('k', { px: 5 }),
      cmd.persist('k'),
      cmd.flush(),
      cmd.dbsize(),
      reap.take(),
      cmd.getMeta('k'),
      cmd.strlen('k'),
      cmd.expireTime('k'),
      cmd.getRange('k', 0n, -1n),
      cmd.scan(0, 10, 'k*'),
      cmd.randomKey(7),
      cmd.cas('k', 1, 'w'),
      cmd.cad('k', 1),
      cmd.append('k', 'w'),
      cmd.setRange('k', 1, 'w'),
      cmd.getDel('k'),
      cmd.getEx('k', { px: 5 }),
    ];
    const before = d.kv.stateHash();
    for (const command of commands) {
      for (let length = 0; length < command.length; length++) {
        expect(d.run(command.slice(0, length))).toBe('-malformed');
      }
      expect(d.run(Uint8Array.from([...command, 0]))).toBe('-malformed');
      for (const [at, value] of [
        [1, 4],
        [1, 0x80],
        [2, 1],
        [3, 1],
      ] as const) {
        // prettier-ignore
        const changed = command.slice();
        changed[at] = value;
        expect(d.run(changed)).toBe('-malformed');
      }
    }
    expect(d.kv.stateHash()).toBe(before);
  });

  test('an unknown op is malformed, and so is a write given to read', () => {
    const d = new KvDriver();
    for (const op of [0, 13, 63, 77, 191, 193, 255]) {
      expect(d.run(Uint8Array.from([op, 0, 0, 0]))).toBe('-malformed');
    }
    expect(d.read(cmd.set('k', 'v'))).toBe('-malformed');
    expect(d.kv.itemCount).toBe(0);
  });

  test('a count that lies costs neither time nor memory', () => {
    const d = new KvDriver();
    for (const op of [Op.del, Op.mget, Op.mset, Op.reap]) {
      expect(d.run(Uint8Array.from([op, 0, 0, 0, 255, 255, 255, 255, 0, 0]))).toBe('-malformed');
    }
  });

  test('a reap of names beyond 2^53 is refused before anything is dropped', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v', { px: 1 }));
    d.nowMs += 1;
    const w = new ByteWriter();
    encodeReap(w, [...d.kv.dueForReap(d.nowMs, 1), { hash: 1, version: 1 }]);
    const bytes = w.take();
    bytes[bytes.length - 8] = 255;
    expect(d.run(bytes)).toBe('-malformed');
    expect(d.kv.itemCount).toBe(1);
  });

  test('a flag that means nothing makes a command malformed', () => {
    const d = new KvDriver();
    for (const flag of [1, 8, 128]) {
      const command = cmd.set('k', 'v');
      command[1] = flag;
      expect(d.run(command)).toBe('-malformed');
    }
    expect(d.kv.itemCount).toBe(0);
  });

  test('a broken frame is refused whole: each command it declares gets an answer, nothing changes', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v'));
    const before = d.kv.stateHash();
    let index = 1;
    const entry = encodeEntry(d.nowMs + 1000, [cmd.set('a', '1'), cmd.set('b', '2')]);
    expect(applyTo(d.kv, entry.slice(0, entry.length - 1), ++index)).toEqual(['-malformed', '-malformed']);
    expect(applyTo(d.kv, Uint8Array.from([...entry, 0]), ++index)).toEqual(['-malformed', '-malformed']);
    const otherVersion = entry.slice();
    otherVersion[0] = 2;
    expect(applyTo(d.kv, otherVersion, ++index)).toEqual(['-malformed', '-malformed']);
    for (let length = 0; length < 13; length++)
      expect(applyTo(d.kv, entry.slice(0, length), ++index)).toEqual([]);
    const manyDeclared = entry.slice();
    manyDeclared.fill(255, 9, 13);
    expect(applyTo(d.kv, manyDeclared, ++index).length).toBeLessThan(entry.length / 4);
    expect(d.kv.stateHash()).toBe(before);
  });
});
