/**
 * The language of `test/data/raft/*.txt`: commands to a cluster of replicas, answered by what happened.
 *
 *   cluster 3 [prevote] [check-quorum] [learners=4] [heartbeat=2] [tail=…] [window=…] [append=…] [uncommitted=…]
 *   load ID terms=1,1,2 [term=3] [commit=2]      before `cluster`: the log that the replica starts with
 *   campaign ID | tick ID [COUNT] [undecided] | propose ID TEXT… | read ID CONTEXT | transfer ID TO
 *   change ID [+ID…] [^ID…] [vID…] [-ID…] [on=V]  add learners, promote, demote, remove; expecting version V
 *   create ID                                    a fresh replica that knows of nobody
 *   ready ID                                     takes one Ready and prints it
 *   deliver [ID…]                                delivers what is in flight (to these)
 *   settle [ID…]                                 Readys and deliveries (of these) until nothing moves
 *   drop [FROM>TO [last]] | cut A B | heal | isolate ID messages in flight are lost; links fail and come back
 *   slow ID | persist ID [COUNT] | fast ID       the disk
 *   crash ID | start ID | compact ID INDEX | stream FROM TO [fail] | unreachable ID TO
 *   status [ID…] | log [ID…] | network | show all|messages|nothing
 */
import { encodeUtf8 } from '../../src/base/index.js';
import { describeEntries, describeMessage, describeReady, describeStatus } from '../../src/raft/index.js';
import type { Message, RaftOptions, SnapshotMeta } from '../../src/raft/index.js';
import { makeConfiguration, makeEntries } from './raft-builders.js';
import { RaftCluster } from './raft-cluster.js';
import type { ReplicaDisk } from './raft-cluster.js';

/** Settling a handful of replicas takes far fewer rounds. */
const SETTLE_ROUNDS_MAX = 200;

export class RaftScript {
  private cluster: RaftCluster | null = null;
  private readonly disks = new Map<number, Partial<ReplicaDisk>>();
  private shows: 'all' | 'messages' | 'nothing' = 'all';

  run(line: string): string {
    const [command = '', ...args] = line.trim().split(/\s+/);
    const ids = args.map(Number);
    const [a = NaN, b = NaN] = ids;
    switch (command) {
      case 'cluster':
        return this.create(args);
      case 'load':
        return this.load(args);
      case 'campaign':
        return this.done(() => this.world.raft(a).campaign());
      case 'tick':
        return this.done(() => this.tick(a, Number.isNaN(b) ? 1 : b, !args.includes('undecided')));
      case 'propose':
        return this.propose(a, args.slice(1).join(' '));
      case 'read':
        return this.read(a, b);
      case 'transfer':
        return this.world.raft(a).transferLeader(b) ? '' : 'refused';
      case 'change':
        return this.change(a, args.slice(1));
      case 'create':
        return this.done(() => this.world.create(a));
      case 'ready':
        return this.shown([this.ready(a)]);
      case 'deliver':
        return this.shown(this.deliver(ids).lines);
      case 'settle':
        return this.shown(this.settle(ids));
      case 'drop':
        return this.drop(args[0], args[1] === 'last');
      case 'cut':
        return this.done(() => this.world.cut(a, b));
      case 'isolate':
        return this.done(() => this.world.isolate(a));
      case 'heal':
        return this.done(() => this.world.heal());
      case 'slow':
        return this.done(() => (this.world.at(a).slow = true));
      case 'persist':
        return this.done(() => this.world.persist(a, Number.isNaN(b) ? Infinity : b));
      case 'fast':
        return this.done(() => {
          this.world.at(a).slow = false;
          this.world.persist(a);
        });
      case 'crash':
        return this.done(() => this.world.at(a).crash());
      case 'start':
        return this.done(() => this.world.at(a).start());
      case 'compact':
        return this.done(() => this.world.compact(a, b));
      case 'stream':
        return this.stream(a, b, args.includes('fail'));
      case 'unreachable':
        return this.done(() => this.world.raft(a).onUnreachable(b));
      case 'status':
        return this.each(ids, (id) => describeStatus(this.world.raft(id).status()));
      case 'log':
        return this.each(ids, (id) => `${id} ${describeEntries(this.world.at(id).disk.entries)}`);
      case 'network':
        return this.world.network.map(describeMessage).join('\n') || 'empty';
      case 'show':
        return this.done(
          () =>
            (this.shows = args[0] === 'nothing' ? 'nothing' : args[0] === 'messages' ? 'messages' : 'all'),
        );
      default:
        throw new Error(`unknown command: ${line}`);
    }
  }

  private get world(): RaftCluster {
    if (this.cluster === null) throw new Error('no cluster yet');
    return this.cluster;
  }

  private done(effect: () => unknown): string {
    effect();
    return '';
  }

  private create(args: readonly string[]): string {
    const count = Number(args[0]);
    const named = namedArguments(args);
    const voters = Array.from({ length: count }, (_, i) => i + 1);
    const learners = (named.get('learners') ?? '')
      .split(',')
      .filter((id) => id !== '')
      .map(Number);
    const changes: Partial<RaftOptions> = {
      preVote: args.includes('prevote'),
      checkQuorum: args.includes('check-quorum'),
      ...limit('heartbeatTicks', named.get('heartbeat')),
      ...limit('tailBytesMax', named.get('tail')),
      ...limit('inflightMessagesMax', named.get('window')),
      ...limit('appendBytesMax', named.get('append')),
      ...limit('uncommittedBytesMax', named.get('uncommitted')),
      ...limit('committedBytesMax', named.get('page')),
    };
    this.cluster = new RaftCluster(makeConfiguration(voters, { learners }), () => changes, this.disks);
    return '';
  }

  private load(args: readonly string[]): string {
    const named = namedArguments(args);
    const terms = (named.get('terms') ?? '')
      .split(',')
      .filter((term) => term !== '')
      .map(Number);
    const term = Number(named.get('term') ?? terms.at(-1) ?? 0);
    const commit = Number(named.get('commit') ?? 0);
    const entries = makeEntries(terms);
    // What is committed is applied: nobody campaigns before that.
    const checkpoint = entries.slice(0, commit);
    this.disks.set(Number(args[0]), { entries, checkpoint, hardState: { term, vote: 0, commit } });
    return '';
  }

  private tick(id: number, count: number, decide: boolean): void {
    for (let i = 0; i < count; i++) this.world.raft(id).tick(decide);
  }

  private propose(id: number, text: string): string {
    const result = this.world.raft(id).propose(encodeUtf8(text));
    if (result.kind === 'appended') return `appended ${result.index}@${result.term}`;
    return `dropped: ${result.reason}, leader=${result.leader}`;
  }

  private change(id: number, words: readonly string[]): string {
    const raft = this.world.raft(id);
    const named = (sign: string): number[] =>
      words.filter((word) => word.startsWith(sign)).map((word) => Number(word.slice(1)));
    const expected = namedArguments(words).get('on');
    const result = raft.proposeChange({
      expectedVersion: expected === undefined ? raft.configuration.version : Number(expected),
      addLearners: named('+').map((replica) => ({ replica, node: replica })),
      promote: named('^'),
      demote: named('v'),
      remove: named('-'),
    });
    if (result.kind === 'appended') return `appended ${result.index}@${result.term}`;
    return `refused: ${result.reason}: ${result.problem}`;
  }

  private read(id: number, context: number): string {
    const result = this.world.raft(id).readIndex(context);
    return result.kind === 'accepted' ? '' : `dropped: ${result.reason}, leader=${result.leader}`;
  }

  private ready(id: number): string {
    if (!this.world.raft(id).hasReady()) return `${id} has nothing ready`;
    return describeReady(this.world.take(id)).replace(/^/gm, `${id} `);
  }

  private deliver(ids: readonly number[]): { lines: string[]; moved: boolean } {
    const lines: string[] = [];
    const messages = this.world.network;
    this.world.network = [];
    let moved = false;
    for (const message of messages) {
      if (ids.length > 0 && !ids.includes(message.to)) {
        this.world.network.push(message);
        continue;
      }
      const arrived = this.world.deliver(message);
      lines.push(`${arrived ? 'delivered' : 'lost'} ${describeMessage(message)}`);
      moved ||= arrived;
    }
    return { lines, moved };
  }

  private settle(ids: readonly number[]): string[] {
    const lines: string[] = [];
    for (let round = 0; round < SETTLE_ROUNDS_MAX; round++) {
      let moved = false;
      for (const id of ids.length > 0 ? ids : this.world.ids()) {
        while (this.world.at(id).raft?.hasReady()) {
          lines.push(this.ready(id));
          moved = true;
        }
      }
      const delivered = this.deliver(ids);
      lines.push(...delivered.lines);
      if (!moved && !delivered.moved) return lines;
    }
    throw new Error('the cluster does not come to rest');
  }

  private drop(way: string | undefined, lastOnly: boolean): string {
    const isOnWay = (message: Message): boolean =>
      way === undefined || way === `${message.from}>${message.to}`;
    const last = this.world.network.findLast(isOnWay);
    const isDropped = (message: Message): boolean => (lastOnly ? message === last : isOnWay(message));
    const before = this.world.network.length;
    this.world.network = this.world.network.filter((message) => !isDropped(message));
    return `dropped ${before - this.world.network.length}`;
  }

  private stream(from: number, to: number, fails: boolean): string {
    const snapshot: SnapshotMeta = this.world.snapshotOf(from);
    if (!fails) this.world.deliver(this.world.snapshotMessage(from, to, snapshot));
    this.world.raft(from).onSnapshotSent(to, snapshot.index, !fails);
    return `snapshot ${snapshot.index}@${snapshot.term}`;
  }

  private each(ids: readonly number[], describe: (id: number) => string): string {
    return (ids.length > 0 ? ids : this.world.ids()).map(describe).join('\n');
  }

  private shown(lines: readonly string[]): string {
    if (this.shows === 'nothing') return '';
    const isMessage = (line: string): boolean => /^(delivered|lost) /.test(line);
    return lines.filter((line) => this.shows === 'all' || isMessage(line)).join('\n');
  }
}

function namedArguments(args: readonly string[]): Map<string, string> {
  const named = new Map<string, string>();
  for (const arg of args) {
    const at = arg.indexOf('=');
    if (at > 0) named.set(arg.slice(0, at), arg.slice(at + 1));
  }
  return named;
}

function limit(name: keyof RaftOptions, value: string | undefined): Partial<RaftOptions> {
  return value === undefined ? {} : { [name]: Number(value) };
}
