import { expect, test } from 'vitest';
import { ShardRoute } from '../../../src/api/shard-route.js';

const BYTES = new Uint8Array([9, 1, 2, 3, 9]);

test('what was refused goes first in its old order, what was held behind it follows', () => {
  const route = new ShardRoute(1);
  route.hold(40, 4, BYTES, 1, 2);
  route.holdRefused(20, 2, BYTES, 1, 3);
  route.hold(50, 5, BYTES, 1, 4);
  route.holdRefused(10, 1, BYTES, 1, 1);
  expect(route.waiting).toBe(4);
  expect(route.heldBytes).toBe(6);
  const waiting = route.takeWaiting();
  expect(waiting.map((item) => item.handle)).toEqual([10, 20, 40, 50]);
  expect(waiting.map((item) => [...item.bytes])).toEqual([[], [1, 2], [1], [1, 2, 3]]);
  expect([route.waiting, route.heldBytes]).toEqual([0, 0]);
});

test('held bytes are a copy', () => {
  const route = new ShardRoute(1);
  const bytes = new Uint8Array([1, 2, 3]);
  route.hold(1, 1, bytes, 0, 3);
  bytes.fill(0);
  expect([...(route.takeWaiting()[0]?.bytes ?? [])]).toEqual([1, 2, 3]);
});

test('what could not leave goes back to the front', () => {
  const route = new ShardRoute(1);
  for (let i = 1; i <= 3; i++) route.hold(i, i, BYTES, 0, 1);
  const waiting = route.takeWaiting();
  route.hold(4, 4, BYTES, 0, 1);
  route.putBack(waiting.slice(1));
  expect(route.heldBytes).toBe(3);
  expect(route.takeWaiting().map((item) => item.handle)).toEqual([2, 3, 4]);
});

test('a refusal that comes later still goes before what was put back', () => {
  const route = new ShardRoute(1);
  route.hold(3, 3, BYTES, 0, 1);
  route.putBack(route.takeWaiting());
  route.holdRefused(2, 2, BYTES, 0, 1);
  expect(route.takeWaiting().map((item) => item.handle)).toEqual([2, 3]);
});

test('the time of rerouting counts from its beginning', () => {
  const route = new ShardRoute(1);
  route.beginReroute(100);
  route.beginReroute(500);
  expect([route.rerouting, route.reroutingSinceMs]).toEqual([true, 100]);
});
