/**
 * Goal: whatever happens to leaders and links, every command is answered once, what is called refused never ran, what
 * is called done ran, and no write twice; commands of one connection on one shard take effect in the order sent.
 * Method: gateways and forward servers of three nodes on replicas that obey the rules of a real one: writes of a log
 * in order, reads whenever they like (but before a write that says so), everything not yet run refused when the
 * leadership is lost. Leaders move, hints lag behind, links break; one seed, one schedule.
 */
import { expect, test } from 'vitest';
import type { Prng } from '../../src/base/index.js';
import { getCommand, RecordingSink, sessionOf, setCommand } from '../support/loop-commands.js';
import { GatewayWorld, type FakeReplica, type Handed } from '../support/loop-gateway.js';

const SHARD = 1;
const NODES = [1, 2, 3];

interface Effect {
  readonly key: string;
  readonly isWrite: boolean;
}

/** One shard: the order in which commands ran, by whoever led at the time. */
class Shard {
  leader = 1;
  term = 1;
  readonly effects: Effect[] = [];
  /** Writes that came again after they ran. */
  repeated = 0;
  private readonly ranInSession = new Set<string>();
  private readonly reads = new Map<FakeReplica, Handed[]>();

  constructor(
    private readonly w: GatewayWorld,
    private readonly prng: Prng,
  ) {
    for (const id of NODES) {
      const replica = w.node(id).replica(SHARD);
      this.reads.set(replica, []);
      // The order of the log is the order of arrival; reads stand aside.
      replica.onHanded = (command) => {
        if (command.kind !== 'read') return;
        replica.handed.pop();
        this.readsOf(replica).push(command);
      };
    }
    this.tell();
  }

  /** The leadership moves: what the old leader has not run is given back, and it may lead again later. */
  move(): void {
    const old = this.w.node(this.leader).replica(SHARD);
    this.leader = this.prng.pick(NODES);
    this.term++;
    old.serves = false;
    this.refuseAll(old);
    this.tell();
  }

  private tell(): void {
    const { leader, term } = this;
    for (const id of NODES) {
      const node = this.w.node(id);
      const replica = node.replica(SHARD);
      replica.serves = id === leader;
      // Everybody but the leader learns of it some time later, or not at all until the next hint.
      const late = id === leader ? 0 : this.prng.below(200);
      this.w.world.loop.schedule(0, late, () => {
        if (this.term !== term) return;
        replica.leaderNode = leader;
        node.hints.note(SHARD, term, 1, leader);
      });
    }
  }

  work(): void {
    for (const id of NODES) {
      const replica = this.w.node(id).replica(SHARD);
      if (id !== this.leader) {
        this.refuseAll(replica);
        continue;
      }
      for (let left = this.prng.below(6); left > 0; left--) {
        if (this.prng.chance(0.4)) this.runRead(replica);
        else this.runWrite(replica);
      }
    }
  }

  private runWrite(replica: FakeReplica): void {
    const command = replica.handed[0];
    if (command === undefined) return;
    if (command.afterReads) while (this.readsOf(replica).length > 0) this.runRead(replica);
    const session = sessionOf(command.bytes);
    // As the state machine does: a write that comes again gets its answer again.
    if (session !== null && this.ranInSession.has(session)) this.repeated++;
    else this.effects.push({ key: keyOf(command), isWrite: command.text.startsWith('set') });
    if (session !== null) this.ranInSession.add(session);
    replica.ok();
  }

  private runRead(replica: FakeReplica): void {
    const reads = this.readsOf(replica);
    const [command] = reads.splice(this.prng.below(Math.max(1, reads.length)), 1);
    if (command === undefined) return;
    this.effects.push({ key: keyOf(command), isWrite: false });
    replica.handed.unshift(command);
    replica.ok();
  }

  private refuseAll(replica: FakeReplica): void {
    for (const command of this.readsOf(replica).splice(0)) replica.handed.push(command);
    while (replica.handed.length > 0) replica.refuse('NOT_LEADER', this.prng.chance(0.5) ? this.leader : 0);
  }

  private readsOf(replica: FakeReplica): Handed[] {
    return this.reads.get(replica) as Handed[];
  }
}

/** Commands name themselves: key `SINK.TOKEN`. */
function keyOf(command: Handed): string {
  return (command.text.split(' ')[1] ?? '').split('=')[0] ?? '';
}

function numberOf(key: string): number {
  return Number(key.split('.')[1]);
}

interface Run {
  readonly sinks: RecordingSink[];
  /** By sink: whether each command writes. */
  readonly writes: boolean[][];
  readonly shard: Shard;
  readonly gatewaysAreEmpty: boolean;
}

function runSchedule(seed: number, cuts: boolean): Run {
  const w = new GatewayWorld(3, { seed, inflightBytesMax: 1 << 30 });
  const { prng } = w.world;
  const shard = new Shard(w, prng.stream('shard'));
  w.peers.latencyMs = () => 1 + prng.below(5);
  const sinks = Array.from({ length: 4 }, () => new RecordingSink());
  const writes = sinks.map((): boolean[] => []);
  for (let step = 0; step < 400; step++) {
    const i = prng.below(sinks.length);
    const own = writes[i] as boolean[];
    for (let left = prng.below(4); left > 0; left--) {
      const isWrite = prng.chance(0.6);
      const key = `${i}.${own.length}`;
      const command = isWrite ? setCommand(key, 'v') : getCommand(key);
      // A connection belongs to one node.
      w.node((i % 3) + 1).submit(sinks[i] as RecordingSink, own.length, command, 3000);
      own.push(isWrite);
    }
    if (prng.chance(0.04)) shard.move();
    if (cuts && prng.chance(0.02)) {
      const [a, b] = prng.shuffle([...NODES]) as [number, number];
      w.peers.cut(a, b);
      w.world.loop.schedule(0, prng.below(300), () => w.peers.heal(a, b));
    }
    w.run(prng.below(12));
    shard.work();
  }
  for (let i = 0; i < 1000; i++) {
    w.run(5);
    shard.work();
  }
  const gatewaysAreEmpty = sinks.every((sink) => sink.unanswered.total === 0);
  return { sinks, writes, shard, gatewaysAreEmpty };
}

/** Throws on the first rule that a run broke. */
function check({ sinks, writes, shard, gatewaysAreEmpty }: Run): void {
  expect(gatewaysAreEmpty).toBe(true);
  const ran = new Map<string, number>();
  for (const { key } of shard.effects) ran.set(key, (ran.get(key) ?? 0) + 1);
  for (const [i, sink] of sinks.entries()) {
    const answers = new Map<string, string>();
    for (const line of sink.lines) {
      const [token, outcome] = line.split(': ') as [string, string];
      if (answers.has(token)) throw new Error(`${i}.${token} was answered twice`);
      answers.set(token, outcome);
    }
    const own = writes[i] as boolean[];
    expect(answers.size, `answers of connection ${i}`).toBe(own.length);
    for (const [token, isWrite] of own.entries()) {
      const outcome = answers.get(String(token));
      const times = ran.get(`${i}.${token}`) ?? 0;
      if (outcome === 'ok' && times < 1) throw new Error(`${i}.${token} is called done and never ran`);
      if (!isWrite) continue;
      if (times > 1) throw new Error(`write ${i}.${token} ran ${times} times`);
      if (outcome !== 'ok' && outcome !== 'OUTCOME_UNKNOWN' && times > 0) {
        throw new Error(`write ${i}.${token} ran and is called ${String(outcome)}`);
      }
    }
    checkOrder(i, shard.effects, answers);
  }
}

/**
 * A write never takes effect before what its connection sent earlier, nor a read after what it sent later. What its
 * connection was told to be of unknown outcome may run at any later time.
 */
function checkOrder(
  connection: number,
  effects: readonly Effect[],
  answers: ReadonlyMap<string, string>,
): void {
  const last = new Map<string, number>();
  for (const [at, { key }] of effects.entries()) last.set(key, at);
  const own = effects
    .map((effect, at) => ({ ...effect, at, number: numberOf(effect.key) }))
    .filter(({ key, at, isWrite }) => {
      if (!key.startsWith(`${connection}.`)) return false;
      // A read counts by its last run, if that was the one that was answered.
      return isWrite || (last.get(key) === at && answers.get(String(numberOf(key))) === 'ok');
    });
  let newestWrite = -1;
  let newest = -1;
  for (const { isWrite, number, key } of own) {
    const late = number < newestWrite || (isWrite && number < newest);
    if (late && answers.get(String(number)) !== 'OUTCOME_UNKNOWN') {
      throw new Error(`${key} took effect behind ${connection}.${Math.max(newestWrite, newest)}`);
    }
    newest = Math.max(newest, number);
    if (isWrite) newestWrite = Math.max(newestWrite, number);
  }
}

test('C3 under changes of leader commands keep their order, and each is answered once', () => {
  for (let seed = 1; seed <= 15; seed++) {
    try {
      check(runSchedule(seed, false));
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
});

test('C3 C4 with links that break as well the answers stay honest and the order stands', () => {
  let repeated = 0;
  for (let seed = 101; seed <= 115; seed++) {
    try {
      const run = runSchedule(seed, true);
      check(run);
      repeated += run.shard.repeated;
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
  expect(repeated).toBeGreaterThan(0);
});

test('most commands of a run are done: the schedule is no empty one', () => {
  const { sinks } = runSchedule(7, true);
  const lines = sinks.flatMap((sink) => sink.lines);
  expect(lines.length).toBeGreaterThan(300);
  expect(lines.filter((line) => line.endsWith(': ok')).length).toBeGreaterThan(lines.length / 2);
});
