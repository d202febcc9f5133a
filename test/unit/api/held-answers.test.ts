/** Answers to a peer whose link is full: held and sent later, up to a limit, and never over another link. */
import { expect, test } from 'vitest';
import { Tag } from '../../../src/kv/index.js';
import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { GatewayWorld } from '../../support/loop-gateway.js';

const MIB = 1024 * 1024;

/** Counts answers: to tell every byte of 64 MiB of them takes half a minute. */
class CountingSink extends RecordingSink {
  answers = 0;
  override onResult(): void {
    this.answers++;
  }
}

/** Node 1 asked `count` commands of node 2, which are handed over there. */
function asked<S extends RecordingSink>(count: number, sink: S): { w: GatewayWorld; sink: S } {
  const w = new GatewayWorld(2, { inflightBytesMax: 1 << 30 });
  w.lead(1, 2, 1);
  for (let i = 0; i < count; i++) w.node(1).submit(sink, i, setCommand('k', String(i)), 30_000);
  w.run(10);
  expect(w.node(2).replica(1).handed).toHaveLength(count);
  return { w, sink };
}

test('E71 answers that find the link full reach their commands once it has drained', () => {
  const { w, sink } = asked(6, new RecordingSink());
  w.peers.fill(1);
  // Over several turns: more than one frame is held.
  for (let i = 0; i < 3; i++) {
    w.node(2).replica(1).ok();
    w.run(10);
  }
  expect(sink.lines).toEqual([]);
  w.peers.drain(1);
  w.run(10);
  expect(sink.lines).toEqual(['0: ok', '1: ok', '2: ok']);
  for (let i = 0; i < 3; i++) w.node(2).replica(1).ok();
  w.run(10);
  expect(sink.lines).toHaveLength(6);
});

test('held answers are not sent once their link is down', () => {
  const { w, sink } = asked(1, new RecordingSink());
  w.peers.fill(1);
  w.node(2).replica(1).ok();
  w.run(10);
  w.node(2).server.onLinkDown(1);
  const before = w.peers.frames.length;
  w.peers.drain(1);
  w.run(10);
  expect(w.peers.frames.length).toBe(before);
  expect(sink.lines).toEqual([]);
});

test('E101 a peer that takes no answers is refused new commands, and what is held for it is bounded', () => {
  const { w, sink } = asked(200, new CountingSink());
  const { handed } = w.node(2).replica(1);
  w.peers.fill(1);
  // A value, with its length before it (kv/result.ts).
  const large = new Uint8Array(1 * MIB);
  large[0] = Tag.bytes;
  new DataView(large.buffer).setUint32(1, large.length - 5);
  // 100 answers of 1 MiB: 64 MiB are held, and the others are lost.
  for (let i = 0; i < 100; i++) {
    const command = handed.shift();
    command?.sink.onResult(command.token, large, 0, large.length);
    w.run(2);
  }
  const late = new RecordingSink();
  w.node(1).submit(late, 1, getCommand('k'), 30_000);
  w.run(10);
  w.peers.drain(1);
  w.run(10);
  expect(late.lines).toEqual(['1: OVERLOADED']);
  expect(sink.answers).toBeGreaterThanOrEqual(60);
  expect(sink.answers).toBeLessThanOrEqual(64);
  // Drained, it serves again.
  w.node(1).submit(late, 2, getCommand('k'), 30_000);
  w.run(10);
  expect(handed.at(-1)?.text).toBe('get k');
});
