/** What one node makes of the frames of another, and of their absence. */
import { expect, test } from 'vitest';
import { EndedLeaderships } from '../../../src/host/ended-leaderships.js';
import { NodeLiveness } from '../../../src/host/node-liveness.js';
import type { LeadershipEndings, RaftFrameHeader } from '../../../src/codec/index.js';

const SILENCE_MS = 300;

function header(bootNumber: number, number = 0, groups: readonly number[] = []): RaftFrameHeader {
  const plain = { node: 2, bootNumber, wallMs: 1, mapVersion: 1 };
  return number === 0 ? plain : { ...plain, endings: { number, groups } };
}

function heard(...headers: RaftFrameHeader[]): NodeLiveness {
  const liveness = new NodeLiveness(SILENCE_MS, 150);
  for (const each of headers) liveness.hear(2, each, 0);
  liveness.takeNews();
  return liveness;
}

test('E111 a higher boot number loses all that follow the node; frames of an earlier life say nothing', () => {
  const liveness = heard(header(3, 5));
  liveness.hear(2, header(2, 9, [1]), 10);
  expect(liveness.takeNews()).toEqual([]);
  liveness.hear(2, header(4), 10);
  expect(liveness.takeNews()).toEqual([
    { kind: 'lost', node: 2, groups: null },
    { kind: 'back', node: 2 },
  ]);
  expect(liveness.isCurrent(2, header(3, 5))).toBe(false);
  expect(liveness.isCurrent(2, header(4))).toBe(true);
});

test('E111 ended leaderships are told by group, or by all when some were missed', () => {
  const liveness = heard(header(1, 2, [7, 8]));
  liveness.hear(2, header(1, 2, [7, 8]), 10);
  expect(liveness.takeNews()).toEqual([]);
  liveness.hear(2, header(1, 4, [7, 8, 9, 10]), 20);
  expect(liveness.takeNews()).toEqual([{ kind: 'lost', node: 2, groups: [9, 10] }]);
  // An older frame that was overtaken.
  liveness.hear(2, header(1, 3, [7, 8, 9]), 30);
  expect(liveness.takeNews()).toEqual([]);
  expect(liveness.isCurrent(2, header(1, 3))).toBe(false);
  liveness.hear(2, header(1, 7, [12, 13]), 40);
  expect(liveness.takeNews()).toEqual([{ kind: 'lost', node: 2, groups: null }]);
});

test.each([
  [false, 4 * SILENCE_MS],
  [true, SILENCE_MS],
])(
  'a node is down after a silence that depends on its link (down: %s), and back when it is heard',
  (isLinkDown, limitMs) => {
    const liveness = heard(header(1));
    if (isLinkDown) liveness.onLinkDown(2);
    let nowMs = 0;
    for (; nowMs < limitMs; nowMs += 50) {
      liveness.judge(nowMs);
      expect(liveness.isDown(2)).toBe(false);
    }
    liveness.judge(nowMs);
    expect(liveness.isDown(2)).toBe(true);
    expect(liveness.takeNews()).toEqual([{ kind: 'lost', node: 2, groups: null }]);
    liveness.judge(nowMs + 50);
    expect(liveness.takeNews()).toEqual([]);
    liveness.hear(2, header(1), nowMs + 60);
    expect(liveness.takeNews()).toEqual([{ kind: 'back', node: 2 }]);
    expect(liveness.isDown(2)).toBe(false);
  },
);

test('E113 a judgement that comes late is put off once, and tells of the own stall when that was long', () => {
  const liveness = heard(header(1));
  liveness.judge(0);
  liveness.judge(5000);
  expect(liveness.takeNews()).toEqual([{ kind: 'stalled' }]);
  expect(liveness.isDown(2)).toBe(false);
  // Late again and again: not put off for ever.
  liveness.judge(5200);
  expect(liveness.isDown(2)).toBe(true);
});

test('a node that was never heard counts as down', () => {
  expect(heard().isDown(9)).toBe(true);
});

test('a header tells of ended leaderships: their number for ever, the groups for two seconds, at most 64', () => {
  const ended = new EndedLeaderships();
  const tell = (nowMs: number): LeadershipEndings | undefined => ended.toTell(nowMs);
  ended.onRole(1, false, 0); // was never led here
  expect(tell(0)).toBe(undefined);
  for (let group = 1; group <= 70; group++) ended.onRole(group, true, 0);
  expect(tell(0)).toBe(undefined);
  ended.onRole(5, false, 100);
  ended.onRole(5, false, 100);
  expect(tell(100)).toEqual({ number: 1, groups: [5] });
  for (let group = 6; group <= 70; group++) ended.onRole(group, false, 200);
  expect(tell(200)?.number).toBe(66);
  expect(tell(200)?.groups).toEqual(Array.from({ length: 64 }, (_, i) => i + 7));
  expect(tell(2300)).toEqual({ number: 66, groups: [] });
});
