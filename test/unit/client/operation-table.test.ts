/** The operation table: ids that come back only after very long, lists in order, growth. */
import { describe, expect, it } from 'vitest';
import { EMPTY_BYTES, Prng } from '../../../src/base/index.js';
import { OperationKind } from '../../../src/codec/cache/index.js';
import { createList, OperationTable, Place } from '../../../src/client/operation-table.js';
import type { ClientOperation } from '../../../src/client/operation.js';

const operation: ClientOperation = {
  kind: OperationKind.get,
  key: EMPTY_BYTES,
  value: EMPTY_BYTES,
  expiryKind: 0,
  expiryMs: 0,
  condition: 0,
  keepTtl: false,
  expectedVersion: 0,
  delta: 0,
  withMeta: false,
  consistency: 0,
  onAnswer: () => undefined,
  onFailure: () => undefined,
};

describe('ids', () => {
  it('do not come back within a million operations, and old ones name nothing', () => {
    const table = new OperationTable();
    const first = table.add(operation, 0, 1, 0);
    const firstId = table.idOf(first);
    table.release(first, 0);
    for (let i = 0; i < 1_000_000; i++) {
      const slot = table.add(operation, 0, 1, 0);
      if (table.idOf(slot) === firstId) throw new Error(`again after ${i}`);
      table.release(slot, 0);
    }
    expect(table.slotOf(firstId)).toBe(-1);
  });

  it('fit 32 bits and find their slot, with as many operations as there may be', () => {
    const table = new OperationTable();
    const slots = Array.from({ length: 131_072 }, (_, i) => table.add(operation, 0, i, 1));
    expect(new Set(slots).size).toBe(131_072);
    for (const slot of slots) {
      const id = table.idOf(slot);
      if (id > 0xffffffff || table.slotOf(id) !== slot) throw new Error(`id ${id} of ${slot}`);
    }
    expect([table.count, table.bytes]).toEqual([131_072, 131_072]);
    const visited: number[] = [];
    expect(table.visitDue(9, (slot) => visited.push(slot))).toBe(10);
    expect(visited).toHaveLength(10);
  });

  it('are new for another attempt', () => {
    const table = new OperationTable();
    const slot = table.add(operation, 0, 1, 0);
    const id = table.idOf(slot);
    table.renew(slot);
    expect([table.slotOf(id), table.slotOf(table.idOf(slot))]).toEqual([-1, slot]);
  });
});

describe('lists', () => {
  it('are in the order of the calls, however slots come and go', () => {
    const table = new OperationTable();
    const list = createList(Place.refused);
    const prng = new Prng(7);
    const inside: number[] = [];
    const outside = Array.from({ length: 200 }, () => table.add(operation, 0, 1, 0));
    for (let step = 0; step < 3000; step++) {
      if (outside.length > 0 && prng.chance(0.5)) {
        const [slot] = outside.splice(prng.below(outside.length), 1);
        table.insert(list, slot as number);
        inside.push(slot as number);
      } else if (inside.length > 0) {
        const [slot] = inside.splice(prng.below(inside.length), 1);
        table.remove(list, slot as number);
        outside.push(slot as number);
      }
      const listed: number[] = [];
      for (let slot = list.first; slot >= 0; slot = table.after(slot)) listed.push(slot);
      expect(listed).toEqual([...inside].sort((a, b) => table.numberOf(a) - table.numberOf(b)));
      expect(list.last).toBe(listed.at(-1) ?? -1);
      expect(list.count).toBe(inside.length);
    }
  });
});
