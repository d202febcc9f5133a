import { expect, test } from 'vitest';
import type { Replica } from '../../../src/group/index.js';
import { CheckpointQueue } from '../../../src/host/checkpoint-queue.js';

const REPLICA = {} as Replica;

test('one checkpoint at a time, in the order of asking', () => {
  const queue = new CheckpointQueue();
  const lines: string[] = [];
  const finish: (() => void)[] = [];
  for (const name of ['a', 'b', 'c']) {
    queue.add(REPLICA, (done) => {
      lines.push(`start ${name}`);
      finish.push(done);
    });
  }
  expect(lines).toEqual(['start a']);
  finish[0]?.();
  expect(lines).toEqual(['start a', 'start b']);
  finish[1]?.();
  finish[2]?.();
  queue.add(REPLICA, (done) => {
    lines.push('start d');
    done();
  });
  expect(lines).toEqual(['start a', 'start b', 'start c', 'start d']);
});

test('a checkpoint that is over at once lets the next one start', () => {
  const queue = new CheckpointQueue();
  let started = 0;
  let finish = (): void => undefined;
  queue.add(REPLICA, (done) => (finish = done));
  for (let i = 0; i < 100; i++) {
    queue.add(REPLICA, (done) => {
      started++;
      done();
    });
  }
  finish();
  expect(started).toBe(100);
});
