import { expect, test } from 'vitest';
import { ByteReader, KNOWN_VERSIONS } from '../../../src/base/index.js';
import {
  decodeMetaState,
  encodeBootstrap,
  encodeUpsertNode,
  MetaMachine,
  type MetaState,
} from '../../../src/meta/index.js';
import { makeAddresses, makeMetaEntry, makeState } from '../../support/loop-meta.js';

interface Told {
  readonly position: number;
  readonly tag: number;
  readonly nodeId: number;
  readonly state: MetaState;
}

class Harness {
  readonly changes: MetaState[] = [];
  readonly machine = new MetaMachine((state) => this.changes.push(state));
  private index = 0;

  apply(commands: readonly Uint8Array[], stampMs = 1000): Told[] {
    const told: Told[] = [];
    this.machine.apply(++this.index, 1, makeMetaEntry(commands, stampMs), {
      onResult: (position, bytes, start, end) => {
        const r = new ByteReader(bytes, start, end);
        const tag = r.u8();
        const nodeId = r.u32();
        told.push({ position, tag, nodeId, state: decodeMetaState(r.bytes(r.remaining)) });
      },
    });
    return told;
  }
}

const BOOTSTRAP = encodeBootstrap(makeState(3));

test('each command of an entry gets its result: the node, and the state behind it', () => {
  const h = new Harness();
  const told = h.apply([
    BOOTSTRAP,
    encodeUpsertNode('a', makeAddresses(4), KNOWN_VERSIONS),
    encodeUpsertNode('b', makeAddresses(5), KNOWN_VERSIONS),
  ]);
  expect(told.map(({ position, tag, nodeId }) => [position, tag, nodeId])).toEqual([
    [0, 0, 0],
    [1, 0, 4],
    [2, 0, 5],
  ]);
  expect(told[1]?.state.nodes).toHaveLength(4);
  expect(told[2]?.state).toEqual(h.machine.state);
});

test('tells of a change once an entry, and not when nothing changed', () => {
  const h = new Harness();
  h.apply([BOOTSTRAP, encodeUpsertNode('a', makeAddresses(4), KNOWN_VERSIONS)]);
  expect(h.changes).toHaveLength(1);
  h.apply([BOOTSTRAP, encodeUpsertNode('a', makeAddresses(4), KNOWN_VERSIONS)]);
  h.apply([]);
  expect(h.changes).toHaveLength(1);
});

test('E88 time never goes back', () => {
  const h = new Harness();
  h.apply([BOOTSTRAP], 5000);
  h.apply([], 4000);
  expect(h.machine.timestampMs()).toBe(5000);
  h.apply([], 6000);
  expect(h.machine.timestampMs()).toBe(6000);
});

test('the same entries give the same hash, another state another one', () => {
  const a = new Harness();
  const b = new Harness();
  for (const h of [a, b]) h.apply([BOOTSTRAP, encodeUpsertNode('a', makeAddresses(4), KNOWN_VERSIONS)]);
  expect(a.machine.stateHash()).toBe(b.machine.stateHash());
  expect(a.machine.stateHash()).toMatch(/^[0-9a-f]{16}$/);
  b.apply([encodeUpsertNode('a', makeAddresses(6), KNOWN_VERSIONS)]);
  expect(a.machine.stateHash()).not.toBe(b.machine.stateHash());
});

test('E45 a snapshot carries state and time, and replaces what was there', () => {
  const a = new Harness();
  a.apply([BOOTSTRAP, encodeUpsertNode('a', makeAddresses(4), KNOWN_VERSIONS)], 7000);
  const source = a.machine.snapshot();
  const chunks: Uint8Array[] = [];
  // Applied while the snapshot is taken: must not be in it.
  const hash = a.machine.stateHash();
  a.apply([encodeUpsertNode('late', makeAddresses(5), KNOWN_VERSIONS)], 8000);
  for (let chunk = source.next(64); chunk !== null; chunk = source.next(64)) chunks.push(chunk);

  const b = new Harness();
  b.apply([encodeBootstrap(makeState(5, 4, 3, 'other'))], 9999);
  const loader = b.machine.loader();
  for (const chunk of chunks) loader.push(chunk);
  const before = b.machine.stateHash();
  expect(before).not.toBe(hash);
  loader.finish();
  expect(b.machine.stateHash()).toBe(hash);
  expect(b.machine.timestampMs()).toBe(7000);
  expect(b.changes.at(-1)).toEqual(b.machine.state);
  expect(b.apply([encodeUpsertNode('late', makeAddresses(5), KNOWN_VERSIONS)], 8000)[0]?.nodeId).toBe(5);
  expect(b.machine.stateHash()).toBe(a.machine.stateHash());
});

test('a broken snapshot replaces nothing', () => {
  const h = new Harness();
  h.apply([BOOTSTRAP]);
  const hash = h.machine.stateHash();
  expect(() => h.machine.loader().finish()).toThrow('empty meta snapshot');
  const chunk = h.machine.snapshot().next(1000) as Uint8Array;
  expect(() => h.machine.loader().push(chunk.slice(0, chunk.length - 3))).toThrow();
  expect(h.machine.stateHash()).toBe(hash);
});

test('an entry of another version, or a malformed command, changes nothing', () => {
  const h = new Harness();
  h.apply([BOOTSTRAP], 5000);
  const hash = h.machine.stateHash();
  const other = makeMetaEntry([BOOTSTRAP]);
  other[0] = 2;
  expect(() => h.machine.apply(2, 1, other, null)).toThrow('version');
  const results: number[] = [];
  h.machine.apply(2, 1, makeMetaEntry([new Uint8Array([9]), new Uint8Array([2, 0])], 5000), {
    onResult: (_position, bytes, start) => results.push(bytes[start] as number),
  });
  expect(results).toEqual([6, 6]);
  expect(h.machine.stateHash()).toBe(hash);
  expect(h.changes).toHaveLength(1);
});
