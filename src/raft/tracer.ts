/**
 * What a replica of the core did, event by event, for a check of a run against a model of Raft (docs/testing.md).
 * Production passes no tracer: each place that tells something tests for null first, and nothing is built.
 *
 * The model knows messages to oneself, which the core does not send: a candidate's own vote, and a leader's
 * acknowledgement of its own entries. They are told here: as sent with the Ready that hands out what they promise, as
 * received when it is durable. PreVote and read rounds are not in the model, and not told; neither is a message that
 * is not looked at. Messages are told as sent when a Ready takes them: whoever traces takes Readys after every input, so
 * that the order told is the order in which things happened.
 */
import type { LogIndex, ReadyNumber, ReplicaId, Term } from '../base/index.js';
import { membersOf } from './membership.js';
import type { RaftTracer, TraceDetail, TracedChange, TracedMessage } from './trace-events.js';
import type { Configuration, Message, Role } from './types.js';

/** What is told of a replica with each event. */
export interface TracedReplica {
  readonly id: ReplicaId;
  readonly term: Term;
  readonly vote: ReplicaId;
  readonly role: Role;
  readonly log: { readonly commit: LogIndex; readonly lastIndex: LogIndex };
  readonly configuration: Configuration;
  follower(id: ReplicaId): { readonly match: LogIndex } | null;
}

interface SelfMessage {
  readonly ready: ReadyNumber;
  readonly message: TracedMessage;
}

/** Tells a tracer what happens to one replica. */
export class Tracing {
  /** Messages to oneself that wait for their Ready to be durable; oldest first. */
  private toSelf: SelfMessage[] = [];
  /** The term in which the own vote was told last. */
  private votedTerm: Term = 0;

  constructor(
    private readonly state: TracedReplica,
    private readonly tracer: RaftTracer,
  ) {}

  tell(detail: TraceDetail): void {
    const { id, term, vote, log, role, configuration } = this.state;
    this.tracer.onEvent({
      ...detail,
      id,
      term,
      vote,
      commit: log.commit,
      role: role === 'precandidate' ? 'follower' : role,
      lastIndex: log.lastIndex,
      voters: configuration.voters,
      outgoing: configuration.outgoing,
    });
  }

  received(message: Message): void {
    const traced = traceMessage(message);
    if (traced !== null) this.tell({ name: 'Receive', message: traced });
  }

  /**
   * The leader appended this configuration. Who leaves by way of a joint one is named twice: as the group enters it, and
   * as it leaves it.
   */
  changed({ voters, learners, learnersNext }: Configuration): void {
    const now = this.state.configuration;
    const changes: TracedChange[] = [];
    for (const id of voters) if (!now.voters.includes(id)) changes.push({ id, action: 'AddNewServer' });
    for (const id of [...learners, ...learnersNext]) {
      const isNews = !now.learners.includes(id) && !now.learnersNext.includes(id);
      if (isNews) changes.push({ id, action: 'AddLearner' });
    }
    for (const id of membersOf(now)) {
      const stays = [voters, learners, learnersNext].some((ids) => ids.includes(id));
      if (!stays) changes.push({ id, action: 'RemoveServer' });
    }
    this.tell({ name: 'ChangeConf', changes });
  }

  /** A Ready was taken: `entries` says whether it brings any to persist. */
  ready(
    number: ReadyNumber,
    messages: readonly Message[],
    messagesAfterPersist: readonly Message[],
    entries: boolean,
  ): void {
    const { state } = this;
    if (state.role === 'leader' && entries) {
      this.sendToSelf(number, { type: 'MsgAppResp', index: state.log.lastIndex });
    }
    for (const message of messages) this.sent(message);
    if (state.role === 'candidate' && this.votedTerm < state.term) {
      this.votedTerm = state.term;
      this.sendToSelf(number, { type: 'MsgVoteResp', index: 0 });
    }
    for (const message of messagesAfterPersist) this.sent(message);
    this.tell({ name: 'Ready' });
  }

  /** Up to this Ready everything is durable; told before the core draws its conclusions. */
  persisted(number: ReadyNumber): void {
    for (;;) {
      const first = this.toSelf[0];
      if (first === undefined || first.ready > number) return;
      this.toSelf.shift();
      this.tell({ name: 'Receive', message: first.message });
    }
  }

  private sendToSelf(ready: ReadyNumber, kind: Pick<TracedMessage, 'type' | 'index'>): void {
    const { id, term } = this.state;
    const message: TracedMessage = { ...NO_BODY, ...kind, term, from: id, to: id };
    this.toSelf.push({ ready, message });
    this.tell({ name: 'Send', message, progress: null });
  }

  private sent(message: Message): void {
    const traced = traceMessage(message);
    if (traced === null) return;
    const follower = message.type === 'append' ? this.state.follower(message.to) : null;
    const progress = follower === null ? null : { match: follower.match, next: traced.index + 1 };
    this.tell({ name: 'Send', message: traced, progress });
  }
}

const NO_BODY = { entries: 0, logTerm: 0, index: 0, commit: 0, reject: false, rejectHint: 0 } as const;

/** Null for what the model doesn't know. */
function traceMessage(message: Message): TracedMessage | null {
  const { from, to, term } = message;
  const head = { ...NO_BODY, from, to, term };
  switch (message.type) {
    case 'append': {
      const { prevIndex: index, prevTerm: logTerm } = message;
      const entries = message.entries.length;
      // As far as this message can move it: what it says beyond its own entries, no receiver acts on.
      const commit = Math.min(message.commit, index + entries);
      return { ...head, type: 'MsgApp', index, logTerm, entries, commit };
    }
    case 'append_response': {
      const { index, reject, hintIndex: rejectHint, hintTerm: logTerm } = message;
      return { ...head, type: 'MsgAppResp', index, reject, rejectHint, logTerm };
    }
    case 'heartbeat':
      return { ...head, type: 'MsgHeartbeat', commit: message.commit };
    case 'heartbeat_response':
      return { ...head, type: 'MsgHeartbeatResp' };
    case 'vote':
      if (message.pre) return null;
      return { ...head, type: 'MsgVote', index: message.lastIndex, logTerm: message.lastTerm };
    case 'vote_response':
      if (message.pre) return null;
      return { ...head, type: 'MsgVoteResp', reject: !message.granted };
    case 'snapshot':
      return { ...head, type: 'MsgSnap', entries: message.snapshot.index };
    case 'read_round':
    case 'read_round_response':
    case 'read_request':
    case 'read_answer':
    case 'timeout_now':
    case 'removed':
    case 'suspect':
      return null;
  }
}
