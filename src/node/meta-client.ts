/**
 * Changes of group 0's state, proposed from whichever node is asked: here when it leads the group, else through one
 * control call to the node that does.
 */
import {
  ByteReader,
  META_GROUP,
  reasonFromNumber,
  type GroupId,
  type MapVersion,
  type NodeId,
} from '../base/index.js';
import type { CommandSink, Replica } from '../group/index.js';
import type { Host } from '../host/index.js';
import { Tag } from '../kv/index.js';
import {
  decodeMetaState,
  encodeRaise,
  encodeReport,
  encodeSetting,
  encodeShares,
  encodeUpsertNode,
  MetaMachine,
  type GroupMembers,
  type MetaState,
  type NewShare,
} from '../meta/index.js';
import type { ControlClient, ControlFailure, Instance } from '../ports/index.js';
import type { ClusterView } from './cluster-view.js';

const CALL_MS = 3000;

export interface MetaOutcome {
  readonly nodeId: NodeId;
  readonly state: MetaState;
}

type Done = (failure: ControlFailure | null, outcome: MetaOutcome | null) => void;

export class MetaClient {
  constructor(
    private readonly host: Host,
    private readonly view: ClusterView,
    private readonly client: ControlClient,
  ) {}

  /**
   * Makes an instance a node of the cluster, or tells its new addresses; gives its node id. `fallback` is asked when
   * no leader is known here: it passes the call on to the leader that it knows, and to nobody else.
   */
  upsertNode(instance: Instance, fallback: NodeId, done: Done): void {
    const { instanceId, addresses, versions } = instance;
    const command = encodeUpsertNode(instanceId, addresses, versions);
    this.change(command, fallback, done, (address) => {
      this.client.call(address, 'join', { from: instance }, CALL_MS, (failure, response) => {
        if (response === null) done(failure, null);
        else done(null, { nodeId: response.nodeId, state: decodeMetaState(response.state) });
      });
    });
  }

  /** A leader's word on its group's configuration; with version 0 it only asks for the state, linearizably. */
  report(group: GroupId, members: GroupMembers, done: Done): void {
    this.change(encodeReport(group, members), 0, done, (address) => {
      this.client.call(address, 'report', { group, members }, CALL_MS, (failure, response) => {
        if (response === null) done(failure, null);
        else done(null, { nodeId: 0, state: decodeMetaState(response.state) });
      });
    });
  }

  /** A setting of the cluster, already checked; an empty value takes it back to its default. */
  set(name: string, value: string, done: Done): void {
    this.change(encodeSetting(name, value), 0, done, (address) => {
      const request = { action: value === '' ? 'reset' : 'set', name, value } as const;
      this.client.call(address, 'config', request, CALL_MS, (failure, response) => {
        if (response === null) done(failure, null);
        else done(null, { nodeId: 0, state: decodeMetaState(response.state) });
      });
    });
  }

  /** The cluster version, if every node knows that one. */
  raise(to: number, done: Done): void {
    this.change(encodeRaise(to), 0, done, (address) => {
      // The leader of group 0 sees the same nodes, and so has the same target, or a newer one.
      this.client.call(address, 'upgrade', { action: 'finish' }, CALL_MS, (failure, response) => {
        if (response === null) done(failure, null);
        else done(null, { nodeId: 0, state: decodeMetaState(response.state) });
      });
    });
  }

  /** The shards' shares of memory: of this node as the leader of group 0, or not at all. */
  proposeShares(seen: MapVersion, shares: readonly NewShare[], done: () => void): void {
    const replica = this.host.replica(META_GROUP);
    if (replica?.serves === true) this.propose(replica, encodeShares(seen, shares), done);
    else done();
  }

  private change(command: Uint8Array, fallback: NodeId, done: Done, ask: (address: string) => void): void {
    const replica = this.host.replica(META_GROUP);
    if (replica !== null && replica.serves) {
      if (!(replica.machine instanceof MetaMachine) || replica.machine.state.clusterId === '') {
        done({ code: 'UNAVAILABLE', message: 'the cluster is being founded' }, null);
        return;
      }
      this.propose(replica, command, done);
      return;
    }
    // The hint first: it knows what a replica here knows, and more once that one was removed and hears nobody.
    const leader = this.view.hints.nodeOf(META_GROUP) || (replica?.leaderNode ?? 0);
    const target = leader === 0 || leader === this.host.nodeId ? fallback : leader;
    const address = this.view.map.node(target)?.addresses.grpc;
    if (address === undefined) {
      done({ code: 'SHARD_LEADER_UNKNOWN', message: 'the meta group has no leader at the moment' }, null);
      return;
    }
    ask(address);
  }

  private propose(replica: Replica, command: Uint8Array, done: Done): void {
    const sink: CommandSink = {
      onResult: (_token, bytes, start, end) => {
        const r = new ByteReader(bytes, start, end);
        if (r.u8() === Tag.failed) {
          done({ code: reasonFromNumber(r.u8()), message: r.string16() }, null);
          return;
        }
        if (bytes[start] !== Tag.ok) {
          done({ code: 'INTERNAL', message: 'group 0 could not read the change' }, null);
          return;
        }
        const nodeId = r.u32();
        done(null, { nodeId, state: decodeMetaState(r.bytes(r.remaining)) });
      },
      onRefused: (_token, reason) =>
        done({ code: reason, message: 'the meta group did not take the change' }, null),
    };
    replica.submitWrite(command, 0, command.length, false, sink, 0);
  }
}
