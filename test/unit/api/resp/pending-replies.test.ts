/** Goal: order, bounds and memory of what a connection owes. Method: against a plain array, and at the edges. */
import { describe, expect, it } from 'vitest';
import { ByteWriter, InvariantError, Prng } from '../../../../src/base/index.js';
import { PendingReplies } from '../../../../src/api/resp/pending-replies.js';

function answer(pending: PendingReplies, out: ByteWriter, sequence: number, text: string): void {
  const isHead = pending.isHead(sequence);
  const w = isHead ? out : pending.beginHold(sequence);
  w.utf8(text);
  if (!isHead) return pending.endHold(sequence);
  pending.completeHead();
  pending.drainInto(out);
}

describe('pending replies', () => {
  it('go out in the order asked, whatever the order of the answers', () => {
    const random = new Prng(11);
    const pending = new PendingReplies();
    const out = new ByteWriter();
    const waiting: { sequence: number; text: string }[] = [];
    let expected = '';
    for (let i = 0; i < 20_000; i++) {
      if (waiting.length === 0 || (waiting.length < 3_000 && random.below(2) === 0)) {
        const text = `${i}:${'x'.repeat(random.below(60))};`;
        waiting.push({ sequence: pending.push(1, 2, 1, 10, 0), text });
        expected += text;
      } else {
        const [next] = waiting.splice(random.below(Math.min(waiting.length, 40)), 1);
        if (next) answer(pending, out, next.sequence, next.text);
      }
    }
    for (const { sequence, text } of waiting) answer(pending, out, sequence, text);
    expect(Buffer.from(out.view()).toString()).toBe(expected);
    expect([pending.count, pending.heldBytes, pending.commandBytes]).toEqual([0, 0, 0]);
  });

  it('a slow head in a long stream does not keep what was sent behind it for ever', () => {
    const pending = new PendingReplies();
    const out = new ByteWriter();
    let arenaMax = 0;
    let previous = pending.push(0, 2, 0, 0, 0);
    for (let i = 0; i < 5_000; i++) {
      const next = pending.push(0, 2, 0, 0, 0);
      answer(pending, out, next, 'y'.repeat(1000)); // held: the one before it is still waiting
      const after = pending.push(0, 2, 0, 0, 0);
      answer(pending, out, previous, 'z');
      previous = after;
      arenaMax = Math.max(arenaMax, pending.held.buffer.length);
      out.reset();
    }
    expect(arenaMax).toBeLessThan(256 * 1024);
  });

  it('a burst gives its memory back', () => {
    const pending = new PendingReplies();
    const out = new ByteWriter();
    const sequences = Array.from({ length: 5_000 }, () => pending.push(0, 3, 0, 0, 0));
    for (const sequence of sequences.reverse()) answer(pending, out, sequence, 'x'.repeat(100));
    expect(out.length).toBe(500_000);
    expect(pending.held.buffer.length).toBeLessThan(1024);
  });

  it('a second answer to one command is a broken invariant', () => {
    const pending = new PendingReplies();
    const out = new ByteWriter();
    const first = pending.push(0, 2, 0, 0, 0);
    const second = pending.push(0, 2, 0, 0, 0);
    answer(pending, out, second, 'b');
    expect(() => pending.rowOf(second)).toThrow(InvariantError);
    answer(pending, out, first, 'a');
    expect(() => pending.rowOf(first)).toThrow(InvariantError);
  });
});
