import { expect, test } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { SimLoop } from '../../sim/world/loop.js';
import { KeptLog, NodeClock, NodeTimers, plainCompressor, SeededEntropy } from '../../sim/world/ports.js';

test('a fast clock sees its timers early in true time and on time in its own', () => {
  const loop = new SimLoop();
  const clock = new NodeClock(loop, 2, 500);
  const timers = new NodeTimers(loop, loop.owner(), clock, 'timer');
  let firedAt = -1;
  timers.after(100, () => {
    firedAt = clock.monoMs();
  });
  loop.runUntil(1000);
  expect(firedAt).toBe(600);
  expect(clock.monoMs()).toBe(2500);
});

test('a step of the wall clock does not touch the monotonic one', () => {
  const loop = new SimLoop();
  const clock = new NodeClock(loop, 1, 0);
  const before = clock.wallMs();
  clock.wallOffsetMs = -150;
  expect(clock.wallMs()).toBe(before - 150);
  expect(clock.monoMs()).toBe(0);
});

test('timers end with their life, and a cancelled one stays silent', () => {
  const loop = new SimLoop();
  const owner = loop.owner();
  const timers = new NodeTimers(loop, owner, new NodeClock(loop, 1, 0), 'timer');
  const fired: string[] = [];
  timers.after(1, () => fired.push('kept'));
  timers.after(1, () => fired.push('cancelled'))();
  timers.soon(() => fired.push('soon'));
  timers.after(5, () => fired.push('dead'));
  loop.runUntil(2);
  loop.kill(owner);
  loop.runUntil(10);
  expect(fired).toEqual(['soon', 'kept']);
});

test('the log keeps its last lines, with the fields of its parents', () => {
  const log = new KeptLog(new SimLoop(), 'n1', null, () => undefined, 2);
  const logger = log.logger().child({ group: 3 });
  for (const event of ['one', 'two', 'three']) logger.info(event, { count: 7n });
  logger.debug('not kept');
  expect(log.tail()).toHaveLength(2);
  expect(log.tail()[1]).toContain('n1 info three {"group":3,"count":"7"}');
});

test('compressor and entropy are what their ports promise', () => {
  const plain = Uint8Array.of(1, 2, 3);
  expect(plainCompressor.decompress(plainCompressor.compress(plain), 3)).toEqual(plain);
  expect(() => plainCompressor.decompress(plain, 2)).toThrow(/expected 2/);
  expect(new SeededEntropy(new Prng(1)).bytes(4)).toEqual(new SeededEntropy(new Prng(1)).bytes(4));
});
