/**
 * Replays a trace against Raft as the model has it, and throws at the first line that does not follow. It is no model
 * check (that looks at every order), but it holds each line to what the lines before allow: what is received was sent,
 * a leader has a majority's votes, commit indexes are what a majority acknowledged, a start finds what a Ready handed
 * out, and every field is there.
 */
interface State {
  readonly term: number;
  readonly vote: string;
  readonly commit: number;
}

interface Msg {
  readonly type: string;
  readonly term: number;
  readonly from: string;
  readonly to: string;
  readonly entries: number;
  readonly logTerm: number;
  readonly index: number;
  readonly commit: number;
  readonly vote: string;
  readonly reject: boolean;
  readonly rejectHint: number;
}

interface Line {
  readonly tag: string;
  readonly ts: number;
  readonly event: {
    readonly name: string;
    readonly nid: string;
    readonly state: State;
    readonly role: string;
    readonly log: number;
    readonly conf: readonly [readonly string[], readonly string[]];
    readonly msg?: Msg;
    readonly prop?: {
      readonly match?: number;
      readonly next?: number;
      readonly cc?: {
        readonly changes?: readonly { readonly nid: string; readonly action: string }[];
        readonly newconf?: readonly string[];
      };
    };
  };
}
type Event = Line['event'];

/** A message on its way; an append carries the terms of its entries. */
interface Sent {
  readonly text: string;
  readonly terms: readonly number[];
}

interface Replica {
  term: number;
  vote: string;
  role: string;
  commit: number;
  /** Terms; the entry at index i is `log[i - 1]`. */
  log: number[];
  conf: readonly [readonly string[], readonly string[]];
  votes: Set<string>;
  match: Map<string, number>;
  /** Sent since the last Ready. */
  pending: Sent[];
  /** What it received last, while it may still change its role or term because of it. */
  inHand: { readonly msg: Msg; readonly terms: readonly number[] } | null;
  /** What it owes: answers to what it received. */
  owed: string[];
  durable: { term: number; vote: string; commit: number; log: number };
}

const ROLES = ['StateFollower', 'StateCandidate', 'StateLeader'];
const ACTIONS = ['AddNewServer', 'RemoveServer', 'AddLearner'];

export class TraceViolation extends Error {
  override readonly name = 'TraceViolation';
}

export function checkTrace(lines: readonly string[]): void {
  new TraceCheck().run(lines);
}

class TraceCheck {
  private readonly replicas = new Map<string, Replica>();
  private readonly onTheWay: Sent[] = [];
  private number = 0;
  private lastTs = 0;

  run(lines: readonly string[]): void {
    for (const text of lines) {
      this.number++;
      const line = JSON.parse(text) as Line;
      this.demand(line.tag === 'trace' && line.ts > this.lastTs, 'tag and rising time');
      this.lastTs = line.ts;
      this.checkForm(line.event);
      this.take(line.event);
    }
  }

  private demand(holds: boolean, what: string): void {
    if (!holds) throw new TraceViolation(`line ${this.number}: ${what}`);
  }

  private checkForm({ nid, state, role, log, conf, msg }: Event): void {
    this.demand(/^\d+$/.test(nid) && /^\d+$/.test(state.vote), 'ids are numbers as text');
    this.demand(
      [state.term, state.commit, log].every(Number.isSafeInteger),
      'term, commit and log are numbers',
    );
    this.demand(ROLES.includes(role), `role ${role}`);
    this.demand(conf.length === 2 && conf.flat().every((id) => /^\d+$/.test(id)), 'two lists of voters');
    this.demand(state.commit <= log, 'committed is in the log');
    if (msg === undefined) return;
    const numbers = [msg.term, msg.entries, msg.logTerm, msg.index, msg.commit, msg.rejectHint];
    this.demand(numbers.every(Number.isSafeInteger), 'a message has all its numbers');
    this.demand(typeof msg.reject === 'boolean' && msg.vote === '0', 'and reject, and vote');
    this.demand(
      [msg.from, msg.to].every((id) => /^\d+$/.test(id)),
      'and says from whom to whom',
    );
  }

  private take(event: Event): void {
    if (event.name === 'InitState') return this.start(event);
    const replica = this.replicas.get(event.nid);
    if (replica === undefined) throw new TraceViolation(`line ${this.number}: ${event.nid} did not start`);
    if (event.name !== 'BecomeFollower') this.handle(replica, event.nid);
    this.change(replica, event);
    this.compare(replica, event);
    if (event.name.startsWith('Receive')) this.receive(replica, event, must(event.msg));
    if (event.name === 'ApplyConfChange') this.reconfigure(replica, event);
  }

  private start({ nid, state, role, log, conf }: Event): void {
    const known = this.replicas.get(nid);
    this.demand(role === 'StateFollower', 'whoever starts follows');
    const last = known?.durable ?? { ...state, log };
    const isSame = last.term === state.term && last.vote === state.vote && last.commit === state.commit;
    this.demand(isSame && last.log === log, 'a start finds what the last Ready handed out');
    this.replicas.set(nid, {
      ...state,
      role,
      log: known?.log.slice(0, log) ?? new Array<number>(log).fill(1),
      conf,
      votes: new Set(),
      match: new Map(),
      pending: [],
      inHand: null,
      owed: [],
      durable: { ...state, log },
    });
  }

  /** What the event itself does to the replica. */
  private change(replica: Replica, { name, nid, state, msg, prop, conf }: Event): void {
    switch (name) {
      case 'BecomeFollower':
        // A lost election, or a leader that hears no majority; other reasons were received before.
        replica.role = 'StateFollower';
        return;
      case 'BecomeCandidate':
        this.demand(replica.role !== 'StateLeader' && conf.flat().includes(nid), 'a voter campaigns');
        replica.term++;
        replica.vote = nid;
        replica.role = 'StateCandidate';
        replica.votes.clear();
        return;
      case 'BecomeLeader':
        this.demand(replica.role === 'StateCandidate', 'a candidate becomes leader');
        this.demand(
          isMajority(replica.conf, (id) => replica.votes.has(id)),
          'a majority voted',
        );
        replica.role = 'StateLeader';
        replica.match = new Map([[nid, replica.log.length]]);
        return;
      case 'ChangeConf':
        this.demand(
          must(prop?.cc?.changes).every((c) => ACTIONS.includes(c.action)),
          'known changes',
        );
        this.append(replica);
        return;
      case 'Replicate':
        this.append(replica);
        return;
      case 'Commit':
        this.commit(replica, state.commit);
        return;
      case 'Ready':
        this.onTheWay.push(...replica.pending.splice(0));
        replica.durable = { ...state, log: replica.log.length };
        return;
      default:
        if (name.startsWith('Send')) this.send(replica, nid, must(msg), prop);
    }
  }

  private append(replica: Replica): void {
    this.demand(replica.role === 'StateLeader', 'a leader appends');
    replica.log.push(replica.term);
  }

  private compare(replica: Replica, { name, state, role, log, conf }: Event): void {
    const told = JSON.stringify([state.term, state.vote, state.commit, role, log, conf]);
    const { term, vote, commit } = replica;
    const expected = JSON.stringify([term, vote, commit, replica.role, replica.log.length, replica.conf]);
    this.demand(told === expected, `${name}: the replica is ${told}, it should be ${expected}`);
  }

  private commit(replica: Replica, index: number): void {
    this.demand(replica.role === 'StateLeader' && index > replica.commit, 'a leader commits more');
    this.demand(replica.log[index - 1] === replica.term, 'an entry of its own term');
    const holds = (at: number) => isMajority(replica.conf, (id) => (replica.match.get(id) ?? 0) >= at);
    this.demand(holds(index) && !holds(index + 1), 'as far as a majority acknowledged');
    replica.commit = index;
  }

  // ---- messages ---------------------------------------------------------------------------------------------------

  private send(replica: Replica, nid: string, msg: Msg, prop: Event['prop']): void {
    const { log } = replica;
    this.demand(msg.from === nid && msg.term === replica.term, 'the sender and its term');
    let terms: readonly number[] = [];
    switch (msg.type) {
      case 'MsgVote':
        this.demand(
          msg.index === log.length && msg.logTerm === (log.at(-1) ?? 0),
          'the log that asks for votes',
        );
        this.demand(replica.role === 'StateCandidate', 'a candidate asks');
        break;
      case 'MsgApp': {
        const last = msg.index + msg.entries;
        this.demand(prop?.match === (replica.match.get(msg.to) ?? 0), 'match of the receiver');
        this.demand(prop?.next === msg.index + 1 && msg.index >= must(prop?.match), 'next of the receiver');
        this.demand(last <= log.length && msg.logTerm === (log[msg.index - 1] ?? 0), 'entries of the log');
        this.demand(msg.commit === Math.min(replica.commit, last), 'the commit index of an append');
        terms = log.slice(msg.index, last);
        break;
      }
      case 'MsgSnap':
        this.demand(msg.entries <= replica.commit && msg.index === 0, 'a snapshot of what is committed');
        terms = log.slice(0, msg.entries);
        break;
      case 'MsgHeartbeat': {
        const match = replica.match.get(msg.to) ?? 0;
        this.demand(msg.commit === Math.min(match, replica.commit), 'the commit index of a heartbeat');
        break;
      }
      default:
        if (msg.from !== msg.to) this.answer(replica, msg);
        else if (msg.type === 'MsgAppResp') this.demand(msg.index === log.length, 'all of the own log');
    }
    const isLeaders = ['MsgApp', 'MsgSnap', 'MsgHeartbeat'].includes(msg.type);
    this.demand(!isLeaders || replica.role === 'StateLeader', 'a leader sends');
    replica.pending.push({ text: JSON.stringify(msg), terms });
  }

  private answer(replica: Replica, msg: Msg): void {
    const at = replica.owed.indexOf(answerText(msg));
    this.demand(at >= 0, `an answer that is owed: ${answerText(msg)}, not ${replica.owed.join(', ')}`);
    replica.owed.splice(at, 1);
  }

  private receive(replica: Replica, { nid }: Event, msg: Msg): void {
    const at = this.onTheWay.findIndex(({ text }) => text === JSON.stringify(msg));
    const sent = this.onTheWay[at];
    if (sent === undefined || msg.to !== nid) {
      throw new TraceViolation(`line ${this.number}: received what nobody sent: ${JSON.stringify(msg)}`);
    }
    this.onTheWay.splice(at, 1);
    if (msg.term > replica.term) {
      replica.term = msg.term;
      replica.vote = '0';
      replica.role = 'StateFollower';
    }
    replica.inHand = { msg, terms: sent.terms };
  }

  private handle(replica: Replica, nid: string): void {
    if (replica.inHand === null) return;
    const { msg, terms } = replica.inHand;
    replica.inHand = null;
    const isStale = msg.term < replica.term;
    const answer = { from: nid, to: msg.from, term: replica.term, reject: true, index: 0 };
    switch (msg.type) {
      case 'MsgVote': {
        const lastTerm = replica.log.at(-1) ?? 0;
        const isUpToDate =
          msg.logTerm > lastTerm || (msg.logTerm === lastTerm && msg.index >= replica.log.length);
        const granted = !isStale && isUpToDate && ['0', msg.from].includes(replica.vote);
        if (granted) replica.vote = msg.from;
        replica.owed.push(answerText({ ...answer, type: 'MsgVoteResp', reject: !granted }));
        return;
      }
      case 'MsgVoteResp':
        if (!isStale && !msg.reject) replica.votes.add(msg.from);
        return;
      case 'MsgAppResp':
        if (isStale || msg.reject) return;
        replica.match.set(msg.from, Math.max(replica.match.get(msg.from) ?? 0, msg.index));
        return;
      case 'MsgHeartbeatResp':
        return;
      default:
        if (isStale) replica.owed.push(answerText({ ...answer, type: 'MsgAppResp' }));
        else this.follow(replica, msg, terms, answer);
    }
  }

  /** An append, heartbeat or snapshot of the term's leader. */
  private follow(
    replica: Replica,
    msg: Msg,
    terms: readonly number[],
    answer: { readonly from: string; readonly to: string; readonly term: number },
  ): void {
    this.demand(replica.role !== 'StateLeader', 'one leader a term');
    replica.role = 'StateFollower';
    const { log } = replica;
    if (msg.type === 'MsgHeartbeat') {
      replica.commit = Math.max(replica.commit, msg.commit);
      replica.owed.push(answerText({ ...answer, type: 'MsgHeartbeatResp', reject: false, index: 0 }));
      return;
    }
    const fits = msg.index <= log.length && msg.logTerm === (log[msg.index - 1] ?? 0);
    if (!fits) {
      replica.owed.push(answerText({ ...answer, type: 'MsgAppResp', reject: true, index: msg.index }));
      return;
    }
    const isNews = terms.some((term, i) => log[msg.index + i] !== term);
    if (isNews) {
      const first = terms.findIndex((term, i) => log[msg.index + i] !== term);
      this.demand(msg.index + first >= replica.commit, 'what is committed stays');
      log.splice(msg.index + first, Infinity, ...terms.slice(first));
    }
    const last = msg.index + terms.length;
    const commit = msg.type === 'MsgSnap' ? last : msg.commit;
    replica.commit = Math.max(replica.commit, Math.min(commit, last));
    const index = msg.type === 'MsgSnap' ? replica.commit : Math.max(last, replica.commit);
    replica.owed.push(answerText({ ...answer, type: 'MsgAppResp', reject: false, index }));
  }

  /** Told before it takes effect: the next event shows the new configuration. */
  private reconfigure(replica: Replica, { prop }: Event): void {
    const voters = must(prop?.cc?.newconf);
    const [before, outgoing] = replica.conf;
    const common = voters.filter((id) => before.includes(id)).length;
    // At most one voter comes or goes at once; more go through a joint configuration, which both majorities rule.
    const changed = voters.length - common + (before.length - common);
    const isJoint = outgoing.length === 0 && changed > 1 && before.length > 0;
    replica.conf = [voters, isJoint ? before : []];
  }
}

function isMajority(conf: Replica['conf'], has: (id: string) => boolean): boolean {
  return (
    conf.every((ids) => ids.length === 0 || ids.filter(has).length > ids.length >> 1) && conf[0].length > 0
  );
}

function answerText(msg: Pick<Msg, 'type' | 'term' | 'from' | 'to' | 'reject' | 'index'>): string {
  const { type, term, from, to, reject, index } = msg;
  return `${from}->${to} ${type} term ${term} ${reject ? 'rejects' : `takes ${index}`}`;
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new TraceViolation('a field is missing');
  return value;
}
