/**
 * What disks do: slow ones, failing ones and full ones, on any machine at any time; and damage to what they had said
 * was safe, on the run's one weak machine alone, since a majority of a group has to be left that lost nothing.
 *
 * A write or fsync that fails must end the node, with nothing of it acknowledged; it comes back. Damage must be
 * noticed: a replica that may have lost what it acknowledged falls silent for good, or its node ends.
 */
import { assert, type Prng } from '../../src/base/index.js';
import { NODE_GROUP, readRecordKey, type RecordKey } from '../../src/codec/index.js';
import type { FaultKind } from './fault-plan.js';
import type { FaultWorld } from './faults.js';
import type { Machine } from './world/cluster.js';

const DATA = '/data';
const STORE = `${DATA}/log`;
/** A node's own records can't be rebuilt from peers: most flips shall hit a group's. */
const NODE_RECORD_CHANCE = 0.05;

export class DiskFaults {
  constructor(
    private readonly world: FaultWorld,
    private readonly later: (delayMs: number, run: () => void) => void,
  ) {}

  act(kind: FaultKind, prng: Prng, crash: (machine: Machine, downMs: number) => void): void {
    const { cluster } = this.world;
    const machine = prng.pick(cluster.machines);
    switch (kind) {
      case 'slow_disk':
        machine.disk.slowFactor = prng.between(5, 200);
        return this.later(prng.between(300, 2_500), () => {
          machine.disk.slowFactor = 1;
        });
      case 'slow_fsync':
        machine.disk.slowSyncFactor = prng.between(20, 3_000);
        return this.later(prng.between(300, 4_000), () => {
          machine.disk.slowSyncFactor = 1;
        });
      case 'disk_error':
        machine.faultsDue++;
        return machine.disk.failNext('store', prng.pick(['EIO', 'ENOSPC'] as const));
      case 'fsync_error':
        machine.faultsDue++;
        return machine.disk.failNext(prng.pick(['sync', 'file'] as const), 'EIO');
      case 'disk_full':
        return this.fill(machine, prng);
      default: {
        const weak = this.world.swarm.weakMachine;
        if (weak !== null) this.damage(kind, cluster.machines[weak] as Machine, prng, crash);
      }
    }
  }

  repair(): void {
    for (const machine of this.world.cluster.machines) {
      machine.disk.slowFactor = 1;
      machine.disk.slowSyncFactor = 1;
      machine.disk.roomBytes = null;
    }
  }

  /** Little room, then none; later there is room again. */
  private fill(machine: Machine, prng: Prng): void {
    machine.disk.roomBytes = prng.between(0, 60_000);
    machine.fullCount++;
    this.later(prng.between(300, 4_000), () => {
      machine.disk.roomBytes = null;
    });
  }

  private damage(
    kind: FaultKind,
    machine: Machine,
    prng: Prng,
    crash: (machine: Machine, downMs: number) => void,
  ): void {
    const { disk } = machine;
    machine.isDamaged = true;
    const restart = (): void => crash(machine, prng.between(50, 500));
    switch (kind) {
      case 'flip_record':
        // Seen at the next opening, or by a running node that reads the entry for a follower.
        this.flipRecord(machine, prng);
        if (prng.chance(0.6)) restart();
        return;
      case 'flip_checkpoint': {
        const files = disk.filesBelow(`${DATA}/checkpoints`);
        if (files.length > 0) disk.corruptFile(prng.pick(files));
        if (prng.chance(0.6)) restart();
        return;
      }
      case 'flip_log': {
        restart();
        // The last batch stays: that of a log's end nothing could be told apart from a crash (docs/spec.md).
        const length = disk.storeLogLength(STORE) - 1;
        if (length < 1) return;
        const from = prng.below(length);
        disk.flipStoreBit(STORE, from, 1 + prng.below(Math.min(100, length - from)));
        return;
      }
      case 'lost_write':
      case 'misdirected_write': {
        const target = prng.chance(0.6) ? 'store' : 'file';
        disk.falsifyNext(target, kind === 'lost_write' ? 'lost' : 'misdirected');
        return this.later(prng.between(50, 1_500), restart);
      }
      default:
        assert(false, `${kind} is no damage to a disk`);
    }
  }

  private flipRecord(machine: Machine, prng: Prng): void {
    const at: RecordKey = { group: 0, kind: 0, index: 0 };
    const ofNode = prng.chance(NODE_RECORD_CHANCE);
    const keys = machine.disk.storeKeys(STORE).filter((key) => {
      return readRecordKey(key, at) && (at.group === NODE_GROUP) === ofNode;
    });
    if (keys.length === 0) return;
    const chosen = Buffer.from(prng.pick(keys));
    machine.disk.flipStoredValue(STORE, (key) => chosen.equals(key));
  }
}
