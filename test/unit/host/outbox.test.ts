import { expect, test } from 'vitest';
import { decodeRaftFrame } from '../../../src/codec/index.js';
import { Outbox } from '../../../src/host/outbox.js';
import { EntryKind } from '../../../src/raft/index.js';
import { makeMessage } from '../../support/raft-builders.js';

interface Frame {
  to: number;
  node: number;
  messages: string[];
}

function recording(): { outbox: Outbox; frames: Frame[]; headers: () => number } {
  const frames: Frame[] = [];
  let headers = 0;
  const outbox = new Outbox(
    () => {
      headers++;
      return { node: 1, bootNumber: 4, wallMs: 1000, mapVersion: 9 };
    },
    (to, bytes) => {
      const frame: Frame = { to, node: 0, messages: [] };
      decodeRaftFrame(bytes, {
        onHeader: (header) => (frame.node = header.node),
        onMessage: (group, message) => frame.messages.push(`${group} ${message.type} ${message.to}`),
      });
      frames.push(frame);
    },
  );
  return { outbox, frames, headers: () => headers };
}

test('one frame for each peer and turn, with the messages of all groups in order', () => {
  const { outbox, frames } = recording();
  outbox.add(2, 1, makeMessage('heartbeat', { to: 2 }));
  outbox.add(3, 1, makeMessage('heartbeat', { to: 3 }));
  outbox.add(2, 5, makeMessage('read_round', { to: 2 }));
  outbox.add(2, 1, makeMessage('append', { to: 2 }));
  expect(frames).toEqual([]);
  outbox.flush();
  expect(frames).toEqual([
    { to: 2, node: 1, messages: ['1 heartbeat 2', '5 read_round 2', '1 append 2'] },
    { to: 3, node: 1, messages: ['1 heartbeat 3'] },
  ]);
});

test('a turn without messages sends nothing, and the next turn begins afresh', () => {
  const { outbox, frames, headers } = recording();
  outbox.flush();
  outbox.add(2, 1, makeMessage('heartbeat', { to: 2 }));
  outbox.flush();
  outbox.flush();
  expect(frames).toHaveLength(1);
  outbox.add(2, 1, makeMessage('heartbeat', { to: 2 }));
  outbox.flush();
  expect(frames).toHaveLength(2);
  expect(frames[1]?.messages).toEqual(['1 heartbeat 2']);
  expect(headers()).toBe(2);
});

test('a peer that is only touched gets an empty frame', () => {
  const { outbox, frames } = recording();
  outbox.touch(2);
  outbox.touch(2);
  outbox.flush();
  expect(frames).toEqual([{ to: 2, node: 1, messages: [] }]);
});

test('a frame that grew past its limit leaves early, and nothing is lost or repeated', () => {
  const { outbox, frames } = recording();
  const entry = { index: 1, term: 1, kind: EntryKind.normal, data: new Uint8Array(1024 * 1024) };
  for (let group = 1; group <= 10; group++)
    outbox.add(2, group, makeMessage('append', { to: 2, entries: [entry] }));
  expect(frames.length).toBeGreaterThan(1);
  outbox.flush();
  expect(frames.flatMap((frame) => frame.messages)).toEqual(
    Array.from({ length: 10 }, (_, i) => `${i + 1} append 2`),
  );
});
