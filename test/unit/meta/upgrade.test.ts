/** The cluster version in group 0: who may raise it, who may join at it, and that neither passes the other in the log. */
import { describe, expect, it } from 'vitest';
import { ByteReader, type VersionRange } from '../../../src/base/index.js';
import {
  applyMetaCommand,
  decodeMetaState,
  encodeMetaState,
  encodeRaise,
  encodeUpsertNode,
  MetaMachine,
  upgradeTarget,
  type MetaOutcome,
  type MetaState,
} from '../../../src/meta/index.js';
import { makeAddresses, makeMetaEntry, makeState } from '../../support/loop-meta.js';

const OLD: VersionRange = { min: 1, max: 1 };
const BOTH: VersionRange = { min: 1, max: 2 };
const NEW: VersionRange = { min: 2, max: 3 };

/** Three nodes at version 1 that know these. */
function cluster(...versions: VersionRange[]): MetaState {
  const state = makeState(versions.length);
  return {
    ...state,
    clusterVersion: 1,
    nodes: state.nodes.map((node, i) => ({ ...node, versions: versions[i] as VersionRange })),
  };
}

function reports(state: MetaState, node: number, versions: VersionRange): MetaOutcome {
  return applyMetaCommand(state, encodeUpsertNode(`instance-${node}`, makeAddresses(node), versions));
}

describe('raise', () => {
  it('E125 is refused, naming the nodes, until every node knows the version', () => {
    let state = cluster(BOTH, OLD, OLD);
    expect(upgradeTarget(state)).toBe(2);
    const refused = applyMetaCommand(state, encodeRaise(2));
    expect(refused.state).toBe(state);
    expect(refused.refusal).toMatch(/node 2 \(127.0.0.1:7602\) knows 1, node 3 \(127.0.0.1:7603\) knows 1/);
    state = reports(reports(state, 2, BOTH).state, 3, BOTH).state;
    const raised = applyMetaCommand(state, encodeRaise(2));
    expect(raised.refusal).toBeUndefined();
    expect(raised.state).toEqual({ ...state, clusterVersion: 2, mapVersion: state.mapVersion + 1 });
    expect(decodeMetaState(encodeMetaState(raised.state))).toEqual(raised.state);
  });

  it('may be repeated, and never goes back', () => {
    const state = applyMetaCommand(cluster(BOTH, BOTH, BOTH), encodeRaise(2)).state;
    expect(applyMetaCommand(state, encodeRaise(2))).toEqual({ state, nodeId: 0 });
    expect(applyMetaCommand(state, encodeRaise(1)).refusal).toMatch(/is at version 2, which never goes back/);
    expect(applyMetaCommand(state, encodeRaise(3)).refusal).toMatch(/node 1 .* knows 1 to 2/);
  });

  it('looks over nodes that are removed, and counts those that dropped the version', () => {
    const state = cluster(BOTH, OLD, { min: 3, max: 9 });
    expect(applyMetaCommand(state, encodeRaise(2)).refusal).toMatch(/node 2.*node 3 .* knows 3 to 9/);
    const nodes = state.nodes.map((node) => (node.id === 1 ? node : { ...node, state: 'removed' as const }));
    expect(applyMetaCommand({ ...state, nodes }, encodeRaise(2)).state.clusterVersion).toBe(2);
    expect(upgradeTarget({ ...state, nodes })).toBe(2);
  });

  it('of bytes that are none changes nothing', () => {
    const state = cluster(BOTH);
    for (const bytes of [
      encodeRaise(2).subarray(0, 4),
      Uint8Array.of(...encodeRaise(2), 0),
      encodeRaise(0),
    ]) {
      expect(() => applyMetaCommand(state, bytes)).toThrow();
    }
  });
});

describe('a report', () => {
  it('E125 of a build that does not know the version is refused: a new node is not taken in, a known one stays as it was', () => {
    const state = applyMetaCommand(cluster(BOTH, BOTH, BOTH), encodeRaise(2)).state;
    const joins = applyMetaCommand(state, encodeUpsertNode('late', makeAddresses(9), OLD));
    expect(joins.state).toBe(state);
    expect(joins.refusal).toMatch(
      /at version 2, and the new node at 127.0.0.1:7609 knows 1: start it with a build that/,
    );
    const back = reports(state, 3, OLD);
    expect(back.state).toBe(state);
    expect(back.refusal).toMatch(/node 3 \(127.0.0.1:7603\) knows 1: start it with a build that knows 2/);
    expect(reports(cluster(OLD), 1, NEW).refusal).toMatch(/must be upgraded to 2 first/);
  });

  it('E125 and a raise are ordered by the log: whichever is first, no node is left that does not know the version', () => {
    const start = cluster(BOTH, BOTH, BOTH);
    const raiseFirst = applyMetaCommand(start, encodeRaise(2)).state;
    expect(reports(raiseFirst, 2, OLD).state.nodes[1]?.versions).toEqual(BOTH);
    const reportFirst = reports(start, 2, OLD).state;
    expect(reportFirst.mapVersion).toBe(start.mapVersion + 1);
    expect(applyMetaCommand(reportFirst, encodeRaise(2)).state.clusterVersion).toBe(1);
  });

  it('of the same versions changes nothing', () => {
    const state = cluster(BOTH, BOTH, BOTH);
    expect(reports(state, 2, BOTH)).toEqual({ state, nodeId: 2 });
  });
});

it('a refusal reaches the caller as a failed result with its reason and words', () => {
  const machine = new MetaMachine(() => undefined);
  const results: Uint8Array[] = [];
  const apply = (command: Uint8Array): void => {
    machine.apply(1, 1, makeMetaEntry([command]), {
      onResult: (_position, bytes, start, end) => void results.push(bytes.slice(start, end)),
    });
  };
  apply(encodeRaise(7));
  const r = new ByteReader(results[0] as Uint8Array);
  expect([r.u8(), r.u8(), r.string16(), r.u32(), r.remaining]).toEqual([
    7,
    31,
    'the cluster is being founded',
    0,
    0,
  ]);
  expect(machine.state.clusterVersion).toBe(0);
});

it('a founding takes the newest version that all of its nodes know, and shards are born with it', () => {
  expect(makeState(3).clusterVersion).toBe(2);
  expect(makeState(3).shards.map(({ born }) => born)).toEqual([2, 2, 2, 2]);
});
