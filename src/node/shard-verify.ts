/**
 * `quorate shard verify`: whether all replicas of a shard hold the same, and hold what they were given.
 *
 *   asked node ── mark ──> leader: appends a mark to the shard's log, tells its index and the members
 *              ── audit ─> every member's node, learners too: state's hash at that index, items hashed again (state-audit.ts)
 *              compares the answers
 *
 * The hash that most have is held to be right. A mark changes nothing, so that it may be appended again: when the
 * leader changes, and when a replica was asked too late to remember the index.
 */
import { ByteReader, ByteWriter, META_GROUP, reasonFromNumber, type GroupId } from '../base/index.js';
import type { CommandSink, Replica } from '../group/index.js';
import { encodeMark, Tag } from '../kv/index.js';
import type {
  AuditResponse,
  ControlClient,
  ControlFailure,
  MarkResponse,
  ReplicaVerdict,
  VerifyRequest,
  VerifyResponse,
} from '../ports/index.js';
import type { ClusterView } from './cluster-view.js';
import { StateAudits, type AuditDeps } from './state-audit.js';

/** Between two attempts to have a mark appended. */
const AGAIN_MS = 100;
const MARK_CALL_MS = 3000;
/** Beyond what the callee waits itself. */
const ANSWER_MS = 1000;
/** Nobody may ask for more time. */
const TIMEOUT_MS_MAX = 600_000;
/** Marks per request on which somebody no longer remembered the index. */
const ROUNDS_MAX = 3;
/** Of one noted hash, with its index. */
const NOTE_BYTES = 16;

type Answer<T> = (failure: ControlFailure | null, response: T | null) => void;

export interface VerifyDeps extends AuditDeps {
  readonly view: ClusterView;
  readonly client: ControlClient;
}

interface Answered {
  readonly member: MarkResponse['members'][number];
  readonly failure: ControlFailure | null;
  readonly audit: AuditResponse | null;
}

export class ShardVerifier {
  readonly audits: StateAudits;

  constructor(private readonly deps: VerifyDeps) {
    this.audits = new StateAudits(deps);
  }

  stop(): void {
    this.audits.stop();
  }

  verify({ group, timeoutMs }: VerifyRequest, done: Answer<VerifyResponse>): void {
    const { view, clock } = this.deps;
    if (group === META_GROUP || view.replicasOf(group).length === 0) {
      done({ code: 'INVALID_ARGUMENT', message: `there is no shard ${group}` }, null);
      return;
    }
    this.round(group, clock.monoMs() + Math.min(timeoutMs, TIMEOUT_MS_MAX), ROUNDS_MAX, done);
  }

  /** Appends a mark here. */
  mark(group: GroupId, done: Answer<MarkResponse>): void {
    const replica = this.deps.host.replica(group);
    if (replica === null || !replica.serves) {
      done({ code: 'NOT_LEADER', message: `this node does not lead shard ${group}` }, null);
      return;
    }
    const command = new ByteWriter(8);
    encodeMark(command);
    const sink: CommandSink = {
      onResult: (_token, bytes, start, end) => {
        const r = new ByteReader(bytes, start, end);
        const tag = r.u8();
        if (tag === Tag.int) done(null, { index: r.u64(), members: membersOf(replica) });
        else {
          const code = tag === Tag.failed ? reasonFromNumber(r.u8()) : 'INTERNAL';
          done({ code, message: 'the mark was not applied' }, null);
        }
      },
      onRefused: (_token, reason) => done({ code: reason, message: 'the mark was not appended' }, null),
    };
    replica.submitWrite(command.buffer, 0, command.length, false, sink, 0);
  }

  private round(group: GroupId, untilMs: number, roundsLeft: number, done: Answer<VerifyResponse>): void {
    this.markUntil(group, untilMs, (failure, mark) => {
      if (mark === null) {
        done(failure, null);
        return;
      }
      this.auditAll(group, mark, untilMs, (answers) => {
        const isForgotten = answers.some(({ audit }) => audit?.hash === '');
        if (isForgotten && roundsLeft > 1 && this.deps.clock.monoMs() < untilMs)
          this.round(group, untilMs, roundsLeft - 1, done);
        else done(null, compare(group, mark.index, answers));
      });
    });
  }

  /** Asks whoever leads, until somebody does. */
  private markUntil(group: GroupId, untilMs: number, done: Answer<MarkResponse>): void {
    const { clock, timers } = this.deps;
    this.askLeader(group, untilMs, (failure, mark) => {
      if (mark !== null || clock.monoMs() + AGAIN_MS >= untilMs) done(failure, mark);
      else timers.after(AGAIN_MS, () => this.markUntil(group, untilMs, done));
    });
  }

  private askLeader(group: GroupId, untilMs: number, done: Answer<MarkResponse>): void {
    const { host, view, client, clock } = this.deps;
    const replica = host.replica(group);
    if (replica?.serves === true) {
      this.mark(group, done);
      return;
    }
    const leader = replica?.leaderNode || view.hints.nodeOf(group);
    const address = leader === host.nodeId ? undefined : view.map.node(leader)?.addresses.grpc;
    if (address === undefined) {
      done({ code: 'SHARD_LEADER_UNKNOWN', message: `shard ${group} has no leader at the moment` }, null);
      return;
    }
    const callMs = Math.max(1, Math.min(MARK_CALL_MS, untilMs - clock.monoMs()));
    client.call(address, 'mark', { group }, callMs, done);
  }

  private auditAll(
    group: GroupId,
    { index, members }: MarkResponse,
    untilMs: number,
    done: (answers: readonly Answered[]) => void,
  ): void {
    const { host, view, client, clock } = this.deps;
    const answers: Answered[] = [];
    for (const member of members) {
      const answer: Answer<AuditResponse> = (failure, audit) => {
        answers.push({ member, failure, audit });
        if (answers.length === members.length) done(answers);
      };
      const waitMs = Math.max(1, Math.round(untilMs - clock.monoMs()));
      const request = { group, replica: member.replica, index, waitMs };
      const address = view.map.node(member.node)?.addresses.grpc;
      if (member.node === host.nodeId) this.audits.run(request, answer);
      else if (address === undefined)
        answer({ code: 'UNAVAILABLE', message: `the address of node ${member.node} is unknown` }, null);
      else client.call(address, 'audit', request, waitMs + ANSWER_MS, answer);
    }
  }
}

function membersOf(replica: Replica): MarkResponse['members'] {
  const { homes, learners } = replica.configuration;
  return homes.map(({ replica: id, node }) => ({ replica: id, node, isLearner: learners.includes(id) }));
}

/** Exported for its test. */
export function compare(group: GroupId, index: number, answers: readonly Answered[]): VerifyResponse {
  const usual = mostFrequent(answers.flatMap(({ audit }) => (audit === null ? [] : [audit.hash])));
  const replicas = answers
    .map((answered) => verdictOn(answered, usual))
    .sort((a, b) => a.replica - b.replica);
  const differsFrom = replicas.some(({ verdict }) => verdict === 'differs')
    ? firstDifference(answers.flatMap(({ audit }) => (audit === null ? [] : [audit.noted])))
    : 0;
  return { group, index, differsFrom, replicas };
}

function verdictOn({ member, failure, audit }: Answered, usual: string): ReplicaVerdict {
  if (audit === null) {
    const detail = failure?.message ?? 'no answer';
    return { ...member, verdict: 'unreachable', hash: '', rehashedIndex: 0, items: 0, detail };
  }
  const { hash, rehashedIndex, items } = audit;
  const known = { ...member, hash, rehashedIndex, items };
  if (audit.isRotten) {
    return { ...known, verdict: 'rotten', detail: 'what lies in its memory is not what was written there' };
  }
  if (hash === '') {
    return { ...known, verdict: 'unreachable', detail: 'it no longer knew its state at the mark: ask again' };
  }
  if (hash !== usual) return { ...known, verdict: 'differs', detail: 'its state is not the one most have' };
  return { ...known, verdict: 'equal', detail: '' };
}

function mostFrequent(hashes: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const hash of hashes) if (hash !== '') counts.set(hash, (counts.get(hash) ?? 0) + 1);
  let best = '';
  for (const [hash, count] of counts) if (count > (counts.get(best) ?? 0)) best = hash;
  return best;
}

/** The first index at which two replicas noted different hashes; 0 unless they agree on an earlier one. */
function firstDifference(noted: readonly Uint8Array[]): number {
  const known = new Map<number, bigint>();
  let agreedAt = Infinity;
  let differsAt = Infinity;
  for (const bytes of noted) {
    const r = new ByteReader(bytes);
    while (r.remaining >= NOTE_BYTES) {
      const index = r.u32() * 2 ** 32 + r.u32();
      const hash = r.i64();
      const other = known.get(index);
      if (other === undefined) known.set(index, hash);
      else if (other === hash) agreedAt = Math.min(agreedAt, index);
      else differsAt = Math.min(differsAt, index);
    }
  }
  return agreedAt < differsAt && differsAt < Infinity ? differsAt : 0;
}
