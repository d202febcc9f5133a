/**
 * Goal: on a leader, whatever the disk and the followers take their time with, each connection's replies are those of
 * its commands run one after the other, and come from states that all replies agree on.
 * Method: connections with keys of their own, so that a plain map knows every reply; commands are handed in with the
 * flags that a gateway gives them; turns, writes, acknowledgements and confirmations happen in an order drawn by seed.
 */
import { expect, test } from 'vitest';
import { getCommand, incrCommand, RecordingSink, setCommand } from '../support/loop-commands.js';
import { ReplicaUnderTest } from '../support/loop-replica.js';
import { Prng } from '../../src/base/index.js';

const CONNECTIONS = 3;

/** A connection, its keys' model, and the replies that it must get. */
class Connection {
  readonly sink = new RecordingSink();
  readonly expected = new Map<number, string>();
  private readonly model = new Map<string, number>();
  private pendingReads = 0;
  private pendingWrites = 0;
  private readonly isRead: boolean[] = [];

  constructor(
    private readonly t: ReplicaUnderTest,
    private readonly prng: Prng,
    private readonly name: string,
  ) {
    this.sink.onLine = (line) => {
      if (this.isRead[Number.parseInt(line, 10)] === true) this.pendingReads--;
      else this.pendingWrites--;
    };
  }

  submit(): void {
    const token = this.isRead.length;
    const key = `${this.name}${this.prng.below(2)}`;
    const value = this.model.get(key);
    const kind = this.prng.below(3);
    if (kind === 0) {
      this.expected.set(token, value === undefined ? 'nil' : `"${value}"`);
      this.hand(getCommand(key), token, true);
    } else if (kind === 1) {
      this.model.set(key, token);
      this.expected.set(token, 'ok');
      this.hand(setCommand(key, String(token)), token, false);
    } else {
      this.model.set(key, (value ?? 0) + 1);
      this.expected.set(token, String((value ?? 0) + 1));
      this.hand(incrCommand(key), token, false);
    }
  }

  /** As decision 0001 has it: reads behind pending writes ride in the log, writes name the reads before them. */
  private hand(command: Uint8Array, token: number, isRead: boolean): void {
    const { replica } = this.t;
    const viaLog = isRead && this.pendingWrites > 0;
    const afterReads = this.pendingReads > 0;
    this.isRead.push(isRead);
    if (isRead) this.pendingReads++;
    else this.pendingWrites++;
    if (isRead && !viaLog) replica.submitRead(command, 0, command.length, this.sink, token);
    else replica.submitWrite(command, 0, command.length, afterReads, this.sink, token);
  }
}

function runPipelines(seed: number, voters: readonly number[]): void {
  const prng = new Prng(seed);
  const t = new ReplicaUnderTest(voters).lead();
  const connections = Array.from(
    { length: CONNECTIONS },
    (_, i) => new Connection(t, prng, String.fromCharCode(97 + i)),
  );
  const act = (): void => {
    switch (prng.below(6)) {
      case 0:
        t.host.persist();
        break;
      case 1:
        t.acknowledge();
        break;
      case 2:
        t.confirmReads();
        break;
      default:
        t.turn();
    }
  };
  for (let step = 0; step < 300; step++) {
    const connection = prng.pick(connections);
    for (let left = prng.below(4); left > 0; left--) connection.submit();
    act();
    t.world.run(prng.below(3));
  }
  for (let i = 0; i < 20; i++) {
    t.settle();
    t.acknowledge();
    t.confirmReads();
  }
  for (const { sink, expected } of connections) {
    const answers = new Map(sink.lines.map((line) => [Number.parseInt(line, 10), line.split(': ')[1]]));
    expect(sink.lines).toHaveLength(expected.size);
    for (const [token, reply] of expected) {
      if (answers.get(token) !== reply) {
        throw new Error(
          `seed ${seed}: command ${token} got ${String(answers.get(token))}, expected ${reply}`,
        );
      }
    }
  }
}

test('E107 pipelines on a group of one', () => {
  for (let seed = 1; seed <= 25; seed++) runPipelines(seed, [1]);
});

test('E107 pipelines on a leader whose followers take their time', () => {
  for (let seed = 1; seed <= 25; seed++) runPipelines(seed, [1, 2, 3]);
});
