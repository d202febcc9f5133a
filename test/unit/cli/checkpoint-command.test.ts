/** `quorate shard checkpoint`: which shards are asked for, what is printed, and how it ends. */
import { describe, expect, it } from 'vitest';

import type {
  CheckpointOutcomeName,
  CheckpointRow,
  ControlClient,
  ControlFailure,
} from '../../../src/ports/index.js';
import { runCommand } from '../../support/command-line.js';

function row(replica: number, outcome: CheckpointOutcomeName): CheckpointRow {
  const isThere = outcome === 'written' || outcome === 'current';
  return {
    replica,
    node: replica + 10,
    isLearner: replica === 3,
    outcome,
    index: isThere ? 77 : 0,
    bytes: isThere ? 4096 : 0,
    tookMs: 12,
    detail: outcome === 'refused' ? 'the replica is suspect: a gap' : '',
  };
}

/** Runs the words in a cluster of two shards whose replicas answer so. */
async function run(
  words: string[],
  outcomes: CheckpointOutcomeName[],
  failure: ControlFailure | null = null,
) {
  const asked: { method: string; request: unknown; deadlineMs: number }[] = [];
  const control: ControlClient = {
    call(_address, method, request, deadlineMs, done) {
      asked.push({ method, request, deadlineMs });
      const { group } = request as { group: number };
      const response =
        method === 'status'
          ? { json: JSON.stringify({ shards: [{ id: 1 }, { id: 2 }] }) }
          : { group, replicas: outcomes.map((outcome, i) => row(i + 1, outcome)) };
      queueMicrotask(() => done(failure, failure === null ? (response as never) : null));
    },
  };
  return { ...(await runCommand(['shard', 'checkpoint', ...words], control)), asked };
}

describe('shard checkpoint', () => {
  it('asks for one shard, prints a row a replica, and ends with 0', async () => {
    const { code, out, asked } = await run(
      ['2', '--endpoint', 'h:1', '--timeout', '5s'],
      ['written', 'current', 'empty'],
    );
    expect(code).toBe(0);
    expect(asked).toEqual([
      { method: 'checkpoint', request: { group: 2, timeoutMs: 5000 }, deadlineMs: 7000 },
    ]);
    expect(out).toContain('shard 2: 3 of 3 replicas\n');
    expect(out).toMatch(/replica +node +role +checkpoint +index +bytes +took/);
    expect(out).toMatch(/1 +11 +voter +written +77 +4096 +12 ms/);
    expect(out).toMatch(/2 +12 +voter +current +77 +4096 +-/);
    expect(out).toMatch(/3 +13 +learner +empty +- +- +-/);
  });

  it.each(['refused', 'unreachable'] as const)('ends with 1 when a replica is %s', async (outcome) => {
    const { code, out } = await run(['1'], ['written', outcome]);
    expect(code).toBe(1);
    expect(out).toContain('shard 1: 1 of 2 replicas\n');
    expect(out.includes('the replica is suspect: a gap')).toBe(outcome === 'refused');
  });

  it('of all asks for each, as the node knows them, and prints them as JSON', async () => {
    const { code, asked, out } = await run(['all', '--json'], ['written']);
    expect(code).toBe(0);
    expect(asked.map(({ method }) => method)).toEqual(['status', 'checkpoint', 'checkpoint']);
    expect(JSON.parse(out)).toEqual({
      done: true,
      shards: [1, 2].map((group) => ({ group, replicas: [row(1, 'written')] })),
    });
  });

  it('says what is wrong with its words, and with the cluster', async () => {
    for (const words of [[], ['x'], ['0'], ['1', '--timeout', 'soon'], ['1', '--endpoint', 'nowhere']]) {
      expect((await run(words, ['written'])).code, words.join(' ')).toBe(2);
    }
    const unknown = await run(['9'], [], { code: 'INVALID_ARGUMENT', message: 'there is no shard 9' });
    expect([unknown.code, unknown.err]).toEqual([2, 'quorate: there is no shard 9 (INVALID_ARGUMENT)\n']);
    const gone = await run(['9'], [], { code: 'UNAVAILABLE', message: "h:1 can't be reached" });
    expect([gone.code, gone.err]).toEqual([1, "quorate: h:1 can't be reached (UNAVAILABLE)\n"]);
  });

  it('tells all of it in its help', async () => {
    const { code, out } = await run(['--help'], []);
    expect(code).toBe(0);
    for (const word of ['SHARD', '--endpoint', '--timeout', '--json', 'unreachable', 'Exit code'])
      expect(out).toContain(word);
  });
});
