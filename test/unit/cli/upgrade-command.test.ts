/** `quorate upgrade`: what is asked, what is printed, and when it is refused. */
import { describe, expect, it } from 'vitest';

import type { VersionRange } from '../../../src/base/index.js';
import type { ControlClient, ControlFailure, UpgradeRequest } from '../../../src/ports/index.js';
import { runCommand, type RanCommand } from '../../support/command-line.js';

interface Ran extends RanCommand {
  readonly asked: readonly {
    readonly address: string;
    readonly action: string;
    readonly deadlineMs: number;
  }[];
}

const OLD = { min: 1, max: 1 };
const NEW = { min: 1, max: 2 };

/** Runs the words in a cluster at version 1 whose nodes know these. */
async function run(words: string[], known: readonly VersionRange[], refusal?: ControlFailure): Promise<Ran> {
  const asked: { address: string; action: string; deadlineMs: number }[] = [];
  const target = Math.max(...known.map(({ max }) => max));
  const control: ControlClient = {
    call(address, method, request, deadlineMs, done) {
      expect(method).toBe('upgrade');
      const { action } = request as UpgradeRequest;
      asked.push({ address, action, deadlineMs });
      const failure = action === 'finish' ? (refusal ?? null) : null;
      const response = {
        clusterVersion: action === 'finish' ? target : 1,
        target,
        nodes: known.map((versions, i) => ({ id: i + 1, address: `h:${7601 + i}`, versions })),
        state: new Uint8Array(0),
      };
      queueMicrotask(() => done(failure, failure === null ? (response as never) : null));
    },
  };
  return { ...(await runCommand(['upgrade', ...words], control)), asked };
}

describe('upgrade status', () => {
  it('tells the version in force, what each node knows, and the next step', async () => {
    const { code, out, asked } = await run(
      ['status', '--endpoint', 'h:9', '--timeout', '3s'],
      [NEW, OLD, NEW],
    );
    expect(code).toBe(0);
    expect(asked).toEqual([{ address: 'h:9', action: 'status', deadlineMs: 3000 }]);
    expect(out.split('\n')).toEqual([
      'version 1 is in force',
      '  node 1  h:7601  knows 1 to 2',
      '  node 2  h:7602  knows 1',
      '  node 3  h:7603  knows 1 to 2',
      'version 2 waits for node 2: start it with the newer build',
      '',
    ]);
    expect((await run(['status'], [NEW, NEW])).out).toMatch(
      /every node knows version 2: `quorate upgrade finish`/,
    );
    expect((await run(['status'], [OLD])).out).toMatch(/no upgrade is under way/);
  });

  it('prints JSON', async () => {
    const { out } = await run(['status', '--json'], [NEW, OLD]);
    expect(JSON.parse(out)).toEqual({
      clusterVersion: 1,
      target: 2,
      canFinish: false,
      nodes: [
        { id: 1, address: 'h:7601', min: 1, max: 2 },
        { id: 2, address: 'h:7602', min: 1, max: 1 },
      ],
    });
  });
});

describe('upgrade finish', () => {
  it('only says what it would do without --yes, and does it with', async () => {
    const asked = await run(['finish'], [NEW, NEW]);
    expect([asked.code, asked.asked.length]).toEqual([2, 1]);
    expect(asked.err).toMatch(/from version 1 to 2, and older builds can't come back: say so with --yes/);
    const { code, out } = await run(['finish', '--yes'], [NEW, NEW]);
    expect([code, out]).toEqual([0, 'version 2 is in force; older builds are refused\n']);
  });

  it('has nothing to do where nothing newer is known', async () => {
    const { code, out, asked } = await run(['finish', '--yes'], [OLD, OLD]);
    expect([code, out, asked.length]).toEqual([0, 'nothing to finish: version 1 is in force\n', 1]);
  });

  it('E125 passes on the refusal, with the node that is too old', async () => {
    const failure: ControlFailure = {
      code: 'UNSUPPORTED_VERSION',
      message:
        'version 2 is not known to all nodes: node 2 (h:7602) knows 1. Upgrade them, then finish again',
    };
    const { code, err } = await run(['finish', '--yes'], [NEW, OLD], failure);
    expect(code).toBe(78);
    expect(err).toBe(`quorate: ${failure.message} (UNSUPPORTED_VERSION)\n`);
  });
});
