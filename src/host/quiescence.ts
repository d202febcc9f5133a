/**
 * The host's part of quiescence (docs/decisions/0006-quiescence.md): it gives ticks to the groups that are awake,
 * watches the nodes on behalf of those that sleep, and wakes these when what is heard of a node concerns them.
 */
import type { Counter, GroupId, MonoMs, NodeId } from '../base/index.js';
import type { LeadershipEndings, RaftFrameHeader } from '../codec/index.js';
import type { Replica } from '../group/index.js';
import type { Message } from '../raft/index.js';
import { Clockwork } from './clockwork.js';
import { EndedLeaderships } from './ended-leaderships.js';
import { hasMemberOn, Neighbours } from './neighbours.js';
import { NodeLiveness } from './node-liveness.js';

/** A tick that comes later than this many ticks after the last one was held up. */
const LATE_TICKS = 3;

export interface QuiescenceOptions {
  readonly nodeId: NodeId;
  readonly tickMs: number;
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  readonly replicas: ReadonlyMap<GroupId, Replica>;
  readonly mapVersion: () => number;
  /** Sends a node an empty frame, unless it gets another one this turn. */
  readonly touch: (node: NodeId) => void;
  readonly fellAsleep: Counter;
}

export class Quiescence {
  private readonly clockwork: Clockwork;
  private readonly liveness: NodeLiveness;
  private readonly neighbours: Neighbours;
  private readonly ended = new EndedLeaderships();

  constructor(private readonly options: QuiescenceOptions) {
    const { tickMs, replicas } = options;
    this.clockwork = new Clockwork(replicas, tickMs, options.fellAsleep);
    this.liveness = new NodeLiveness(options.electionTicks * tickMs, LATE_TICKS * tickMs);
    this.neighbours = new Neighbours(options.nodeId, replicas);
  }

  // ---- nodes ---------------------------------------------------------------------------------------------------

  onFrame(from: NodeId, header: RaftFrameHeader, nowMs: MonoMs): void {
    this.liveness.hear(from, header, nowMs);
  }

  onLinkDown(node: NodeId): void {
    this.liveness.onLinkDown(node);
  }

  /** Something was heard that may wake groups: a turn is due. */
  get hasNews(): boolean {
    return this.liveness.hasNews;
  }

  isDown(node: NodeId): boolean {
    return this.liveness.isDown(node);
  }

  /** An offer to quiesce that news of the end of that very leadership may have overtaken. */
  isOldOffer(from: NodeId, header: RaftFrameHeader, message: Message): boolean {
    return message.type === 'heartbeat' && message.quiesce && !this.liveness.isCurrent(from, header);
  }

  /** A role was taken here, or a replica stopped: for the headers of this node's frames. */
  onRole(group: GroupId, leads: boolean, nowMs: MonoMs): void {
    this.ended.onRole(group, leads, nowMs);
  }

  endings(nowMs: MonoMs): LeadershipEndings | undefined {
    return this.ended.toTell(nowMs);
  }

  /** Wakes the groups that the news concern. */
  takeNews(): void {
    for (const news of this.liveness.takeNews()) {
      switch (news.kind) {
        case 'lost':
          this.onLost(news.node, news.groups);
          break;
        case 'back':
          this.wakeLeaders((replica) => hasMemberOn(replica, news.node));
          break;
        case 'stalled':
          this.wakeLeaders(() => true);
          break;
      }
    }
  }

  private onLost(node: NodeId, groups: readonly GroupId[] | null): void {
    const { replicas } = this.options;
    const wake = (replica: Replica | undefined): void => {
      if (replica?.raft.quiesced === true && replica.leaderNode === node) replica.quietness.wake(true);
    };
    if (groups !== null) for (const group of groups) wake(replicas.get(group));
    else for (const replica of replicas.values()) wake(replica);
  }

  private wakeLeaders(concerns: (replica: Replica) => boolean): void {
    for (const replica of this.options.replicas.values()) {
      const { raft } = replica;
      if (raft.quiesced && raft.role === 'leader' && concerns(replica)) replica.quietness.wake(false);
    }
  }

  // ---- time ----------------------------------------------------------------------------------------------------

  /** One tick: nodes are judged, groups that are awake get theirs, and neighbours a sign of life. */
  tick(tickCount: number, nowMs: MonoMs, visit: (replica: Replica) => boolean): void {
    const { options } = this;
    this.liveness.judge(nowMs);
    this.takeNews();
    this.clockwork.tick(visit);
    if (tickCount % options.heartbeatTicks !== 0) return;
    for (const node of this.neighbours.list(options.mapVersion(), nowMs)) options.touch(node);
  }

  /** Call after whatever may have woken it. */
  noteAwake(replica: Replica): void {
    this.clockwork.noteAwake(replica);
  }
}
