/** What the asking node makes of the replicas' answers; whole nodes do it in test/sim/shard-verify.test.ts. */
import { expect, test } from 'vitest';
import { ByteWriter } from '../../../src/base/index.js';
import { compare, ShardVerifier } from '../../../src/node/shard-verify.js';
import type { AuditResponse, ControlFailure } from '../../../src/ports/index.js';
import { TestHosts } from '../../support/loop-hosts.js';

type Answers = Parameters<typeof compare>[2];

const [RIGHT, WRONG] = ['00000000000000aa', '00000000000000bb'];

/** Noted hashes by index, from `first` on, each by its last byte. */
function noted(first: number, ...hashes: number[]): Uint8Array {
  const w = new ByteWriter();
  hashes.forEach((hash, i) => {
    w.u64(first + i);
    w.u64(hash);
  });
  return w.take();
}

function answers(...audits: (Partial<AuditResponse> | null)[]): Answers {
  return audits.map((audit, i) => ({
    member: { replica: i + 1, node: i + 1, isLearner: false },
    failure: audit === null ? { code: 'UNAVAILABLE', message: 'gone' } : null,
    audit:
      audit === null
        ? null
        : { hash: RIGHT, isRotten: false, rehashedIndex: 9, items: 5, noted: new Uint8Array(0), ...audit },
  }));
}

function verdicts(...audits: (Partial<AuditResponse> | null)[]): string[] {
  return compare(1, 9, answers(...audits)).replicas.map(({ verdict }) => verdict);
}

test('the hash that most have is right', () => {
  expect(verdicts({}, {}, {})).toEqual(['equal', 'equal', 'equal']);
  expect(verdicts({ hash: WRONG }, {}, {})).toEqual(['differs', 'equal', 'equal']);
  expect(verdicts({}, { hash: WRONG }, { hash: WRONG })).toEqual(['differs', 'equal', 'equal']);
});

test('two that differ are told to differ, though nobody knows which is right', () => {
  expect(verdicts({}, { hash: WRONG })).toContain('differs');
});

test('rot outranks difference, and who is not heard or knows nothing is no witness', () => {
  expect(verdicts({}, { hash: WRONG, isRotten: true }, null)).toEqual(['equal', 'rotten', 'unreachable']);
  expect(verdicts({}, { hash: '' }, {})).toEqual(['equal', 'unreachable', 'equal']);
  expect(verdicts({ hash: '' }, null)).toEqual(['unreachable', 'unreachable']);
  expect(compare(1, 9, answers(null)).replicas[0]?.detail).toBe('gone');
});

test('the first difference is told when an earlier index agreed', () => {
  const differsFrom = (...lists: Uint8Array[]): number => {
    const audits = lists.map((list, i) => ({ hash: i === 0 ? WRONG : RIGHT, noted: list }));
    return compare(1, 9, answers(...audits)).differsFrom;
  };
  expect(differsFrom(noted(5, 1, 2, 30, 40), noted(5, 1, 2, 3, 4), noted(4, 9, 1, 2, 3, 4))).toBe(7);
  expect(differsFrom(noted(6, 1, 2), noted(6, 3, 4), noted(6, 3, 4))).toBe(0);
  expect(differsFrom(noted(1, 1), noted(9, 4), noted(8, 5))).toBe(0);
  expect(differsFrom(new Uint8Array(15), new Uint8Array(0), noted(1, 1))).toBe(0);
});

test('at most four audits run at once on a node, each for a bounded time', () => {
  const hosts = new TestHosts(1);
  hosts.addGroup(1);
  hosts.start();
  const { host, clock } = hosts.leader(1);
  const { timers } = hosts.world;
  const verifier = new ShardVerifier({
    host,
    clock,
    timers,
    view: null as never,
    client: null as never,
  });
  const told: (ControlFailure | AuditResponse)[] = [];
  const ask = (index: number): void =>
    verifier.audits.run({ group: 1, replica: 1, index, waitMs: 1000 }, (failure, response) => {
      told.push((failure ?? response) as ControlFailure | AuditResponse);
    });
  for (let i = 0; i < 5; i++) ask(1_000_000);
  expect(told).toMatchObject([{ code: 'OVERLOADED' }]);
  hosts.world.run(1100);
  expect(told).toHaveLength(5);
  expect(told.slice(1)).toMatchObject(Array.from({ length: 4 }, () => ({ code: 'UNAVAILABLE' })));
  // And room again: the entry of its leader's first is applied.
  ask(1);
  hosts.world.run(50);
  expect(told[5]).toMatchObject({ isRotten: false, items: 0 });
  verifier.stop();
  ask(1);
  expect(told[6]).toMatchObject({ code: 'UNAVAILABLE', message: 'the node is stopping' });
});
