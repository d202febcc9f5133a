import { expect, test } from 'vitest';
import { ByteReader, ByteWriter } from '../../../src/base/index.js';
import { decodeShardMap, encodeShardMap, EMPTY_SHARD_MAP, ShardMap } from '../../../src/topology/index.js';
import type { NodeEntry, ShardEntry } from '../../../src/topology/index.js';

const node = (id: number, state: NodeEntry['state'] = 'up'): NodeEntry => ({
  id,
  addresses: {
    grpc: `h${id}:7600`,
    peer: `h${id}:7650`,
    resp: `h${id}:7379`,
    respMoved: `h${id}:7479`,
    http: `h${id}:7700`,
  },
  instanceId: `instance-${id}`,
  state,
});
const shard = (id: number, firstSlot: number, lastSlot: number, nodes = [1, 2, 3]): ShardEntry => ({
  id,
  firstSlot,
  lastSlot,
  replicas: nodes.map((on, i) => ({ id: id * 10 + i, node: on })),
});
const example = (): ShardMap =>
  new ShardMap(7, [node(1), node(2, 'draining'), node(3)], [shard(1, 0, 8191), shard(2, 8192, 16000)]);

function encoded(map: ShardMap): Uint8Array {
  const w = new ByteWriter();
  encodeShardMap(w, map);
  return w.take();
}

test('lookups by slot, shard and node', () => {
  const map = example();
  expect([0, 8191, 8192, 16000].map((slot) => map.shardOfSlot(slot)?.id)).toEqual([1, 1, 2, 2]);
  expect(map.shardIdOfSlot(8192)).toBe(2);
  expect(map.shardOfSlot(16001)).toBeNull();
  expect(map.shardIdOfSlot(16383)).toBe(-1);
  expect(map.shard(2)?.lastSlot).toBe(16000);
  expect(map.shard(3)).toBeNull();
  expect(map.node(2)?.state).toBe('draining');
  expect(map.node(9)).toBeNull();
});

test('a map decodes to what was encoded, and leaves what follows it', () => {
  for (const map of [example(), EMPTY_SHARD_MAP]) {
    const bytes = encoded(map);
    const reader = new ByteReader(new Uint8Array([...bytes, 42]));
    const back = decodeShardMap(reader);
    expect({ version: back.version, nodes: back.nodes, shards: back.shards }).toEqual({
      version: map.version,
      nodes: map.nodes,
      shards: map.shards,
    });
    expect(reader.u8()).toBe(42);
  }
});

test('format 1, whose addresses had no listener that redirects, is still read', () => {
  const w = new ByteWriter();
  w.u8(1);
  w.u64(7);
  w.u32(1);
  w.u32(4);
  w.u8(1);
  for (const text of ['i4', 'g', 'p', 'r', 'h']) w.string16(text);
  w.u32(0);
  const addresses = { grpc: 'g', peer: 'p', resp: 'r', respMoved: '', http: 'h' };
  expect(decodeShardMap(new ByteReader(w.take())).nodes).toEqual([
    { id: 4, instanceId: 'i4', addresses, state: 'up' },
  ]);
});

test('a cut or unknown encoding is refused', () => {
  const bytes = encoded(example());
  for (let end = 0; end < bytes.length; end++) {
    expect(() => decodeShardMap(new ByteReader(bytes, 0, end))).toThrow();
  }
  bytes[0] = 3;
  expect(() => decodeShardMap(new ByteReader(bytes))).toThrow('format version 3');
});

test('contradictions are refused', () => {
  const nodes = [node(1), node(2), node(3)];
  expect(() => new ShardMap(1, [node(1), node(1)], [])).toThrow('node 1 is listed twice');
  expect(() => new ShardMap(1, nodes, [shard(1, 0, 5), shard(2, 5, 9)])).toThrow('slot 5');
  expect(() => new ShardMap(1, nodes, [shard(1, 0, 5), shard(1, 6, 9)])).toThrow('shard 1 is listed twice');
  expect(() => new ShardMap(1, nodes, [shard(1, 0, 16384)])).toThrow('slots 0 to 16384');
  expect(() => new ShardMap(1, nodes, [shard(1, 0, 5, [4])])).toThrow('unknown node 4');
});
