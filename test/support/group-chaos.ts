/**
 * One group on real hosts under a random schedule: clients pipeline reads and writes at whoever leads, leaders are cut
 * off or give their leadership away, and clocks differ. At the end the history must be linearizable, each connection's
 * commands in their order; and a quiet group must do what its members' nodes need of it. What takes the simulator of
 * whole nodes a rare coincidence is brought about here all the time:
 *
 *  conflicts   leaders that are cut off with writes under way, so that other entries take the place of theirs
 *  expiry      items that live for some ten milliseconds, few writes, and a leadership that wanders between nodes whose
 *              clocks differ: what one leader called gone must be gone with the next, whose clock is behind
 *  sleep       hardly any work, nodes that die and come back while all is quiet
 */
import { encodeUtf8, Prng } from '../../src/base/index.js';
import { Freshness } from '../../src/group/index.js';
import { checkHistory } from './check-history.js';
import { History, type OpenOperation } from './history-record.js';
import { getCommand, RecordingSink, setCommand } from './loop-commands.js';
import { ELECTION_MS, TestHosts, type TestNode } from './loop-hosts.js';

export type GroupProfile = 'conflicts' | 'expiry' | 'sleep';

/** A promise of a group was broken; `rule` names it. */
export class GroupViolation extends Error {
  override readonly name = 'GroupViolation';

  constructor(
    readonly rule: string,
    what: string,
  ) {
    super(what);
  }
}

const GROUP = 1;
const NODES = 3;
const CONNECTIONS = 6;
const RUN_MS = 4_000;
const STEP_MS = 4;
const KEYS = ['a', 'b'];
/** Below what a node refuses to lead with (clock-offsets.ts). */
const CLOCK_OFFSET_MS_MAX = 300;
const TTL_MS_MAX = 60;
/** Without faults; many election time-outs. */
const PATIENCE_MS = 20 * ELECTION_MS;
const STEPS_OF_CHECK_MAX = 300_000;

interface Pending {
  readonly operation: OpenOperation;
  readonly isRead: boolean;
}

/** A client at one node; it hands commands in with the flags of a gateway (docs/decisions/0001). */
class Connection {
  private readonly sink = new RecordingSink();
  private readonly pending = new Map<number, Pending>();
  private reads = 0;
  private position = 0;

  constructor(
    private readonly chaos: GroupChaos,
    private readonly node: TestNode,
    readonly number: number,
  ) {
    this.sink.onLine = (line) => this.onAnswer(line);
  }

  get(key: string): void {
    const command = getCommand(key);
    const token = this.begin(key, null, 0);
    const replica = this.node.replica(GROUP);
    const hasWrites = this.pending.size - 1 > this.reads;
    const hasReads = this.reads++ > 0;
    if (hasWrites) replica.submitWrite(command, 0, command.length, hasReads, this.sink, token, true);
    else replica.submitRead(command, 0, command.length, this.sink, token);
  }

  /** Whoever is asked answers it, in no order with the others. */
  getAnywhere(key: string): void {
    const command = getCommand(key);
    const token = this.begin(key, null, 0, 'none');
    this.reads++;
    const replica = this.node.replica(GROUP);
    replica.submitRead(command, 0, command.length, this.sink, token, Freshness.follower);
  }

  set(key: string, ttlMs: number): void {
    const value = this.chaos.freshValue();
    const command = setCommand(key, encodeUtf8(value), ttlMs);
    const token = this.begin(key, value, ttlMs);
    const replica = this.node.replica(GROUP);
    replica.submitWrite(command, 0, command.length, this.reads > 0, this.sink, token);
  }

  get serves(): boolean {
    return this.node.replica(GROUP).serves;
  }

  private begin(key: string, value: string | null, ttlMs: number, order: 'all' | 'none' = 'all'): number {
    const { history, nowNs } = this.chaos;
    const operation: OpenOperation = {
      client: history.freshClient(),
      op: value === null ? 'get' : 'put',
      key,
      value,
      expected: null,
      ttlMs,
      callNs: nowNs,
      connection: this.number,
      position: this.position,
      order,
    };
    history.begin(operation);
    this.pending.set(this.position, { operation, isRead: value === null });
    return this.position++;
  }

  private onAnswer(line: string): void {
    const [, token, refused, text] = /^(\d+)(?:( refused).*|: (.*))$/.exec(line) ?? [];
    const pending = this.pending.get(Number(token));
    if (pending === undefined) throw new GroupViolation('one answer each', `unasked: ${line}`);
    this.pending.delete(Number(token));
    if (pending.isRead) this.reads--;
    const { operation, isRead } = pending;
    const { history, nowNs } = this.chaos;
    if (refused !== undefined) history.end(operation, 'fail', null, nowNs);
    else if (text === 'OUTCOME_UNKNOWN') history.end(operation, 'unknown', null, nowNs);
    else if (isRead && text === 'nil') history.end(operation, 'ok', null, nowNs);
    else if (isRead && text?.startsWith('"')) history.end(operation, 'ok', text.slice(1, -1), nowNs);
    else if (!isRead && text === 'ok') history.end(operation, 'ok', null, nowNs);
    else throw new GroupViolation('answers are of their command', `${operation.op} was answered ${text}`);
  }

  /** What nobody will answer any more. */
  giveUp(): void {
    for (const { operation } of this.pending.values()) this.chaos.history.end(operation, 'unknown', null, 0);
    this.pending.clear();
  }

  get isIdle(): boolean {
    return this.pending.size === 0;
  }
}

export class GroupChaos {
  readonly history = new History();
  readonly hosts: TestHosts;
  /** How often the rarer things happened, so that a test can tell that they did. */
  readonly counts = { cuts: 0, transfers: 0, sleeps: 0, gone: 0 };
  private readonly prng: Prng;
  private readonly connections: Connection[] = [];
  private values = 0;
  /** Some connections only read and the others only write: so no read rides in the log. */
  private readonly isApart: boolean;

  constructor(
    readonly seed: number,
    private readonly profile: GroupProfile,
  ) {
    this.prng = new Prng(seed);
    this.isApart = this.prng.stream('connections').chance(0.5);
    const offsets = this.prng.stream('offsets');
    const wallOffsetsMs = Array.from({ length: NODES }, () => offsets.below(CLOCK_OFFSET_MS_MAX));
    this.hosts = new TestHosts(NODES, { seed, wallOffsetsMs });
    this.hosts.addGroup(GROUP);
    for (let i = 0; i < CONNECTIONS; i++) {
      this.connections.push(new Connection(this, this.hosts.node((i % NODES) + 1), i));
    }
  }

  get nowNs(): number {
    return Math.round(this.hosts.world.loop.now() * 1e6);
  }

  freshValue(): string {
    return `v${++this.values}`;
  }

  run(): void {
    this.hosts.start();
    this.hosts.leader(GROUP);
    if (this.profile === 'sleep') this.playQuiet();
    else this.playBusy();
    this.check();
  }

  // ---- busy groups -----------------------------------------------------------------------------------------------

  private playBusy(): void {
    const { hosts, prng, profile } = this;
    const { world } = hosts;
    const endMs = world.loop.now() + RUN_MS;
    let nextFaultMs = world.loop.now() + prng.below(200);
    while (world.loop.now() < endMs) {
      if (world.loop.now() >= nextFaultMs) nextFaultMs = world.loop.now() + this.disturb();
      if (profile === 'expiry') this.workOnExpiry();
      else this.workOnConflicts();
      world.run(prng.unit() * STEP_MS);
    }
    hosts.peers.healAll();
    hosts.peers.latencyMs = () => 1;
    const waiting = (): boolean => this.connections.some((connection) => !connection.isIdle);
    for (let waitedMs = 0; waiting() && waitedMs < PATIENCE_MS; waitedMs += 10) world.run(10);
    for (const connection of this.connections) connection.giveUp();
  }

  /** Returns how long until the next fault. */
  private disturb(): number {
    const { hosts, prng } = this;
    const { peers } = hosts;
    peers.healAll();
    peers.latencyMs = () => 1;
    const leader = hosts.nodes.find((node) => node.replica(GROUP).serves)?.id ?? 1;
    if (prng.chance(this.profile === 'expiry' ? 0.8 : 0.2)) {
      this.counts.transfers++;
      hosts.node(leader).replica(GROUP).raft.transferLeader(prng.between(1, NODES));
      hosts.node(leader).host.markDirty(hosts.node(leader).replica(GROUP));
      return prng.between(40, 250);
    }
    this.counts.cuts++;
    if (prng.chance(0.6)) peers.isolate(leader);
    else {
      // What the leader says arrives late, and so does what it is told.
      const [slowOut, slowIn] = prng.pick([
        [true, true],
        [true, false],
        [false, true],
      ] as const);
      const delayMs = prng.between(30, 400);
      peers.latencyMs = (from, to) =>
        (slowOut && from === leader) || (slowIn && to === leader) ? delayMs : 1 + prng.below(4);
    }
    return prng.between(100, 500);
  }

  private workOnConflicts(): void {
    const { prng } = this;
    const connection = prng.pick(this.connections);
    if (prng.chance(0.1)) connection.getAnywhere(prng.pick(KEYS));
    if (!connection.serves) return;
    for (let left = prng.below(4); left > 0; left--) {
      const reads = this.isApart ? connection.number % 2 === 0 : prng.chance(0.5);
      if (reads) connection.get(prng.pick(KEYS));
      else connection.set(prng.pick(KEYS), 0);
    }
  }

  private workOnExpiry(): void {
    const { prng } = this;
    const connection = prng.pick(this.connections);
    if (!connection.serves) return;
    const key = prng.pick(KEYS);
    const draw = prng.below(100);
    // Few writes: each of them tells the next leader what time it is.
    if (draw < 3) connection.set(key, prng.between(5, TTL_MS_MAX));
    else if (draw < 50) connection.get(key);
    else if (draw < 53) {
      // The write is not to be seen by the read before it, which may have to wait for the log's time.
      connection.get(key);
      connection.set(key, prng.between(5, TTL_MS_MAX));
    }
  }

  private check(): void {
    const slackMs = CLOCK_OFFSET_MS_MAX + TTL_MS_MAX;
    const bounds = { earlyMs: slackMs, lateMs: slackMs + PATIENCE_MS };
    const failure = checkHistory(this.history, bounds, STEPS_OF_CHECK_MAX);
    for (const { op, output, status } of this.history.operations)
      if (op === 'get' && status === 'ok' && output === null) this.counts.gone++;
    if (failure === null) return;
    if (failure.what.startsWith('undecided')) throw new Error(`key ${failure.key}: ${failure.what}`);
    throw new GroupViolation('linearizability', `key ${failure.key}: ${failure.what}`);
  }

  // ---- quiet groups ----------------------------------------------------------------------------------------------

  private playQuiet(): void {
    const { hosts, prng } = this;
    for (let round = 0; round < 4; round++) {
      this.fallAsleep(hosts.nodes);
      const leader = hosts.leader(GROUP);
      const away = prng.chance(0.5) ? leader : hosts.node((leader.id % NODES) + 1);
      const rest = hosts.nodes.filter((node) => node !== away);
      hosts.peers.isolate(away.id);
      const isLed = (): boolean => rest.some((node) => node.replica(GROUP).serves);
      this.demand(isLed, 'a group whose leader died is led again');
      // Those who are left may write, and sleep over it.
      if (prng.chance(0.7)) {
        const writer = this.connections.find((_, i) => hosts.node((i % NODES) + 1).replica(GROUP).serves);
        writer?.set(prng.pick(KEYS), 0);
        hosts.world.run(prng.below(100));
      }
      if (prng.chance(0.7)) this.fallAsleep(rest);
      hosts.peers.healAll();
      this.demand(() => hosts.agree(GROUP), 'who comes back is caught up');
    }
    for (const connection of this.connections) connection.giveUp();
  }

  private fallAsleep(nodes: readonly TestNode[]): void {
    const sleeps = (): boolean => nodes.every((node) => node.replica(GROUP).raft.quiesced);
    this.demand(sleeps, 'an idle group falls asleep');
    this.counts.sleeps++;
    this.hosts.world.run(this.prng.below(3 * ELECTION_MS));
  }

  /** Within bounded time without faults. */
  private demand(holds: () => boolean, rule: string): void {
    const { world } = this.hosts;
    const endMs = world.loop.now() + PATIENCE_MS;
    while (!holds()) {
      if (world.loop.now() >= endMs) throw new GroupViolation(rule, `not within ${PATIENCE_MS} ms: ${rule}`);
      world.run(5);
    }
  }
}
