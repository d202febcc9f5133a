/** `quorate shard verify`: which shards are asked for, what is printed, and how it ends. */
import { describe, expect, it } from 'vitest';

import type { ControlClient, ControlFailure, ReplicaVerdict, Verdict } from '../../../src/ports/index.js';
import { runCommand, type RanCommand } from '../../support/command-line.js';

const HASH = '0123456789abcdef';

function replica(id: number, verdict: Verdict): ReplicaVerdict {
  const isKnown = verdict !== 'unreachable';
  return {
    replica: id,
    node: id + 10,
    isLearner: id === 3,
    verdict,
    hash: isKnown ? HASH : '',
    rehashedIndex: isKnown ? 99 : 0,
    items: isKnown ? 1234 : 0,
    detail: verdict === 'equal' ? '' : `in words: ${verdict}`,
  };
}

interface Ran extends RanCommand {
  readonly asked: readonly {
    readonly method: string;
    readonly request: unknown;
    readonly deadlineMs: number;
  }[];
}

/** Runs the words in a cluster of two shards whose replicas are found to be so. */
async function run(
  words: string[],
  verdicts: readonly Verdict[],
  failures: Readonly<Record<number, ControlFailure>> = {},
): Promise<Ran> {
  const asked: { method: string; request: unknown; deadlineMs: number }[] = [];
  const control: ControlClient = {
    call(_address, method, request, deadlineMs, done) {
      asked.push({ method, request, deadlineMs });
      const { group } = request as { group: number };
      const response =
        method === 'status'
          ? { json: JSON.stringify({ shards: [{ id: 1 }, { id: 2 }] }) }
          : {
              group,
              index: 77,
              differsFrom: verdicts.includes('differs') ? 70 : 0,
              replicas: verdicts.map((v, i) => replica(i + 1, v)),
            };
      const failure = method === 'verify' ? (failures[group] ?? null) : null;
      queueMicrotask(() => done(failure, failure === null ? (response as never) : null));
    },
  };
  return { ...(await runCommand(words, control)), asked };
}

describe('shard verify', () => {
  it('of one shard that is equal ends with 0', async () => {
    const { code, out, asked } = await run(
      ['shard', 'verify', '2', '--endpoint', 'h:1', '--timeout', '5s'],
      ['equal', 'equal', 'equal'],
    );
    expect(code).toBe(0);
    expect(asked).toEqual([{ method: 'verify', request: { group: 2, timeoutMs: 5000 }, deadlineMs: 7000 }]);
    expect(out).toContain('shard 2: equal at index 77\n');
    expect(out).toMatch(/replica +node +role +verdict +hash +items/);
    expect(out).toMatch(/3 +13 +learner +equal +0123456789abcdef +1234/);
  });

  it.each(['differs', 'rotten', 'unreachable'] as const)(
    'with a replica that is %s ends with 1',
    async (verdict) => {
      const { code, out } = await run(['shard', 'verify', '1'], ['equal', 'equal', verdict]);
      expect(code).toBe(1);
      expect(out).toContain('shard 1: NOT equal at index 77');
      expect(out).toMatch(new RegExp(`3 +13 +learner +${verdict} .*in words: ${verdict}`));
      expect(out.includes('different from index 70 on')).toBe(verdict === 'differs');
    },
  );

  it.each([[['shard', 'verify']], [['shard', 'verify', 'all']]])(
    '%s asks for each, as the node knows them',
    async (words) => {
      const { code, asked, out } = await run(words, ['equal']);
      expect(code).toBe(0);
      expect(asked.map(({ method }) => method)).toEqual(['status', 'verify', 'verify']);
      expect(out.match(/^shard \d: equal/gm)).toEqual(['shard 1: equal', 'shard 2: equal']);
    },
  );

  it('of all goes on behind one that can not be verified, and ends with 1', async () => {
    const failure: ControlFailure = { code: 'SHARD_LEADER_UNKNOWN', message: 'no leader' };
    const all = await run(['shard', 'verify', '--json'], ['equal'], { 1: failure });
    expect(all.code).toBe(1);
    expect(all.err).toBe('shard 1: not verified: no leader (SHARD_LEADER_UNKNOWN)\n');
    const printed = JSON.parse(all.out) as { equal: boolean; shards: { group: number }[] };
    expect([printed.equal, printed.shards.map(({ group }) => group)]).toEqual([false, [2]]);
    const one = await run(['shard', 'verify', '1'], ['equal'], { 1: failure });
    expect([one.code, one.err]).toEqual([1, 'quorate: no leader (SHARD_LEADER_UNKNOWN)\n']);
  });

  it('prints all as JSON', async () => {
    const { out } = await run(['shard', 'verify', '1', '--json'], ['equal', 'rotten']);
    expect(JSON.parse(out)).toEqual({
      equal: false,
      shards: [
        { group: 1, index: 77, differsFrom: 0, replicas: [replica(1, 'equal'), replica(2, 'rotten')] },
      ],
    });
  });

  it.each(['0', '-1', 'x', '1.5', '16385'])('of shard %s is a mistake of usage', async (which) => {
    const { code, asked } = await run(['shard', 'verify', '--', which], ['equal']);
    expect([code, asked]).toEqual([2, []]);
  });

  it('says in its help what the verdicts and exit codes are', async () => {
    const { code, out } = await run(['shard', 'verify', '--help'], []);
    expect(code).toBe(0);
    for (const word of ['equal', 'differs', 'rotten', 'unreachable', 'Exit code'])
      expect(out).toContain(word);
  });
});
