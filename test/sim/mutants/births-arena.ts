/**
 * Replicas of one group on one node: leaders speak to new ones and, late, to old ones; some are said to be removed, by
 * right or by mistake; the node restarts. The rules of births and the log store are the shipped ones; hosts and replicas are
 * stand-ins, since all that counts is who is born and who goes. An id that was removed is never born again, and nobody
 * goes whom group 0 has as a member.
 */
import { must, Prng, type ReplicaId } from '../../../src/base/index.js';
import type { Replica } from '../../../src/group/index.js';
import type { Host } from '../../../src/host/index.js';
import { EMPTY_META, type GroupMembers, type MetaState } from '../../../src/meta/index.js';
import { Lifecycle } from '../../../src/node/lifecycle.js';
import type { Configuration } from '../../../src/raft/index.js';
import type { LogStore, RecoveredGroup } from '../../../src/storage/index.js';
import { makeMessage } from '../../support/raft-builders.js';
import { StorageWorld } from '../../unit/storage/harness.js';

const GROUP = 1;
const LIVES = 5;
const STEPS = 40;
const POLL_MS = 1500;

/** A replica was born, or went, that must not. */
export class BirthViolation extends Error {
  override readonly name = 'BirthViolation';

  constructor(
    readonly rule: string,
    what: string,
  ) {
    super(`${rule}: ${what}`);
  }
}

interface StandIn {
  readonly group: number;
  readonly id: ReplicaId;
  readonly suspect: string | null;
  readonly configuration: Configuration;
  readonly raft: { readonly role: string };
}

/** The group as group 0 knows it: its members elsewhere come and go, the one here changes its id now and then. */
interface Members {
  version: number;
  highestId: ReplicaId;
  /** Of the member on this node; 0: none. */
  here: ReplicaId;
}

export function runBirthsArena(seed: number): void {
  const prng = new Prng(seed);
  const world = new StorageWorld(seed);
  const members: Members = { version: 1, highestId: 3, here: 3 };
  /** Durably: what a crash can't take back. */
  let removedForEver = 0;
  let store = world.open();
  for (let life = 0; life < LIVES; life++) {
    const node = new Node(world, store, members, removedForEver);
    for (let step = 0; step < STEPS; step++) node.act(prng);
    removedForEver = node.removedForEver;
    store = world.reopen(prng.chance(0.5) ? 'kill' : 'power');
  }
}

class Node {
  removedForEver: ReplicaId;
  /** By this life, durably or not. */
  private removed: ReplicaId;
  private replica: StandIn | null = null;
  private readonly lifecycle: Lifecycle;

  constructor(
    private readonly world: StorageWorld,
    private readonly store: LogStore,
    private readonly members: Members,
    removedForEver: ReplicaId,
  ) {
    this.removedForEver = removedForEver;
    this.removed = removedForEver;
    const host = {
      replica: () => this.replica,
      removeReplica: () => this.onGone(),
      sendTo: () => undefined,
      whenDurable: (run: () => void) => {
        this.flush();
        run();
      },
    };
    this.lifecycle = new Lifecycle({
      host: host as unknown as Host,
      store,
      checkpoints: world.checkpoints(),
      clock: world.clock,
      logger: world.logger,
      knownVersionOf: () => members.version,
      report: (_group, _members, done) => done(this.state()),
      recover: (recovered, done) => {
        this.onBorn(recovered);
        done();
      },
    });
    for (const group of store.recovered.groups) this.onBorn(group);
  }

  act(prng: Prng): void {
    const { members, lifecycle } = this;
    switch (prng.below(6)) {
      case 0:
        // The member here is replaced by another one, or leaves.
        members.version++;
        members.here = prng.chance(0.5) ? ++members.highestId : 0;
        break;
      case 1:
      case 2: {
        // A leader, of now or of long ago.
        const to = prng.chance(0.5) ? members.here : prng.between(1, members.highestId);
        const configurationVersion = prng.between(1, members.version);
        const type = prng.pick(['append', 'heartbeat'] as const);
        if (to !== 0 && to !== this.replica?.id)
          lifecycle.onUnknownReplica(GROUP, makeMessage(type, { to, configurationVersion }), 2);
        break;
      }
      case 3:
        // By right or by mistake.
        if (this.replica !== null)
          lifecycle.onRemoved(this.replica as unknown as Replica, prng.between(1, members.version));
        break;
      case 4:
        lifecycle.onMap(this.state());
        this.world.settle(POLL_MS);
        lifecycle.poll(this.world.clock.monoMs());
        break;
      default:
        this.flush();
    }
    this.world.settle(1);
  }

  private state(): MetaState {
    const { version, highestId, here } = this.members;
    const homes = here === 0 ? [] : [{ replica: here, node: 1, isLearner: false }];
    const known: GroupMembers = { configurationVersion: version, highestId, replicas: homes };
    return { ...EMPTY_META, shards: [{ id: GROUP, firstSlot: 0, lastSlot: 1, born: 1, ...known }] };
  }

  private onBorn({ group, replica, configuration, suspect }: RecoveredGroup): void {
    if (replica <= this.removed) {
      const what = `replica ${replica} lives, ${this.removed} was removed here`;
      throw new BirthViolation('a removed replica never comes back', what);
    }
    this.replica = { group, id: replica, suspect, configuration, raft: { role: 'follower' } };
  }

  private onGone(): void {
    const { id } = must(this.replica, 'replica');
    if (id === this.members.here)
      throw new BirthViolation('no member is deleted', `replica ${id} is the member here, and was deleted`);
    this.removed = Math.max(this.removed, id);
    this.replica = null;
  }

  private flush(): void {
    const { removed, store, world } = this;
    if (store.dirty && !store.writing) world.flush(store);
    this.removedForEver = Math.max(this.removedForEver, removed);
  }
}
