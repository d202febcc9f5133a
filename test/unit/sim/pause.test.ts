/** A process that stands still does nothing and misses nothing; what comes meanwhile waits, in order. */
import { expect, test } from 'vitest';
import { SimLoop, WORLD } from '../../sim/world/loop.js';

test('what comes due while a process stands still runs when it goes on, in order', () => {
  const loop = new SimLoop();
  const [a, b] = [loop.owner(), loop.owner()];
  const told: string[] = [];
  const tell = (what: string) => (): void => void told.push(`${what} at ${loop.now()}`);
  loop.schedule(a, 10, tell('a1'));
  loop.schedule(a, 5, tell('a0'));
  loop.schedule(b, 7, tell('b'));
  const cancel = loop.schedule(a, 11, tell('never'));
  loop.schedule(a, 100, tell('a2'));
  loop.pause(a);
  loop.schedule(WORLD, 12, () => loop.hold(a, tell('held')));
  loop.runUntil(20);
  expect(told).toEqual(['b at 7']);
  cancel();
  loop.resume(a);
  loop.runUntil(200);
  expect(told).toEqual(['b at 7', 'a0 at 20', 'a1 at 20', 'held at 20', 'a2 at 100']);
});

test('a process that is killed while it stands still does not come back', () => {
  const loop = new SimLoop();
  const owner = loop.owner();
  let ran = 0;
  loop.schedule(owner, 1, () => ran++);
  loop.pause(owner);
  loop.runUntil(5);
  loop.kill(owner);
  loop.resume(owner);
  loop.runUntil(50);
  expect(ran).toBe(0);
  expect(loop.isPaused(owner)).toBe(false);
});
