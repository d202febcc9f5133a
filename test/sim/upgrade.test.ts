/**
 * Goal: a cluster of an older build is upgraded node by node, in any order and with faults, and the upgrade finished,
 * with nothing lost and replicas that agree at every index. Method: the usual runs with all their checks; a machine's
 * first lives are of a build that knows one cluster version less, and every newer life asks for the end again and again.
 */
import { expect, test } from 'vitest';
import type { VersionRange } from '../../src/base/index.js';
import { createKv, type Kv } from '../../src/kv/index.js';
import { createNode } from '../../src/node/index.js';
import { createRaft } from '../../src/raft/index.js';
import { CountingEngine, CountTotals } from './counting-engine.js';
import type { FaultKind } from './fault-plan.js';
import { runSimulation } from './run.js';
import type { CreateSimNode } from './world/cluster.js';

const OLDER: VersionRange = { min: 1, max: 1 };
const NEWER: VersionRange = { min: 1, max: 2 };
const FINISH_EVERY_MS = 300;
/** Of one life: who asks for ever keeps group 0 awake for ever. */
const ASKS_MAX = 40;
const CALL_MS = 1000;
const RUN_MS_MAX = 240_000;

const FAULTS: readonly FaultKind[] = [
  'rolling_restart',
  'crash',
  'isolate_leader',
  'transfer',
  'strike_election',
  'strike_acknowledgement',
];

class Upgrade {
  private readonly lives = new Map<string, number>();
  /** Of older and newer builds. */
  readonly kvs: { readonly kv: Kv; readonly isNewer: boolean }[] = [];
  refusals = 0;
  finishes = 0;

  /** Machines change builds after their first life, or after their second. */
  readonly createNode: CreateSimNode = (ports, settings, onRaft, onKv) => {
    const life = (this.lives.get(settings.grpc) ?? 0) + 1;
    this.lives.set(settings.grpc, life);
    const isNewer = life > 1 + (this.lives.size % 2);
    if (isNewer) {
      let asks = 0;
      const finish = (): void => {
        asks++;
        ports.controlClient.call(
          settings.grpc,
          'upgrade',
          { action: 'finish' },
          CALL_MS,
          (failure, response) => {
            if (failure?.code === 'UNSUPPORTED_VERSION') this.refusals++;
            if (response !== null) this.finishes++;
            if (response === null && asks < ASKS_MAX) ports.timers.after(FINISH_EVERY_MS, finish);
          },
        );
      };
      ports.timers.after(FINISH_EVERY_MS, finish);
    }
    return createNode(ports, settings, {
      versions: isNewer ? NEWER : OLDER,
      createRaft: (options, initial) => {
        const raft = createRaft(options, initial);
        onRaft(raft);
        return raft;
      },
      createKv: (options) => {
        const kv = createKv(options);
        this.kvs.push({ kv, isNewer });
        onKv(kv);
        return kv;
      },
    });
  };
}

test(
  'E125 clusters go from an older build to this one under faults: nothing is lost, and no older build sees what it does not know',
  { timeout: RUN_MS_MAX },
  () => {
    const totals = new CountTotals();
    let raised = 0;
    let refusals = 0;
    for (const seed of [1125, 3125]) {
      const upgrade = new Upgrade();
      const { failure } = runSimulation({
        seed,
        steps: 700,
        createNode: upgrade.createNode,
        faults: FAULTS,
        swarm: {
          nodes: 3,
          replicas: 3,
          faultsPerSecond: 2,
          clients: { resp: 2, sdk: 3, scanners: 0 },
          memory: null,
        },
        createEngine: (ports, options) => new CountingEngine(ports, options, totals),
      });
      expect([seed, failure]).toEqual([seed, null]);
      for (const { kv, isNewer } of upgrade.kvs) {
        if (!isNewer) expect(kv.clusterVersion).toBe(1);
        else if (kv.clusterVersion === 2) raised++;
      }
      if (upgrade.finishes > 0) refusals += upgrade.refusals;
    }
    // The runs were of the kind that this is about.
    expect(raised).toBeGreaterThan(5);
    expect(refusals).toBeGreaterThan(0);
    expect(totals.acknowledged).toBeGreaterThan(300);
  },
);
