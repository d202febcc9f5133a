/**
 * A gateway over real state machines in memory: one per shard, no replication. Results wait in a queue until a test
 * delivers them, in the order it likes; failures can be told beforehand. Keeps the port's promises: one result per
 * command, never inside `submit`; nothing to a sink that was forgotten.
 */
import { ByteWriter, type ErrorReason, type MonoMs, type Slot } from '../../../../src/base/index.js';
import type { CommandGateway, ResultSink, ShardRange } from '../../../../src/api/gateway-port.js';
import {
  appendCommand,
  beginEntry,
  createKv,
  finishEntry,
  isWriteOp,
  putFailed,
  type Kv,
} from '../../../../src/kv/index.js';
import { slotRanges } from '../../../../src/topology/index.js';

interface Waiting {
  readonly shard: number;
  readonly sink: ResultSink;
  readonly token: number;
  readonly result: Uint8Array;
}

export class KvGateway implements CommandGateway {
  hasRoom = true;
  /** Before the first map arrives. */
  mapKnown = true;
  /** Of what was submitted. */
  readonly freshnesses: number[] = [];
  submitted = 0;
  readonly deadlines: MonoMs[] = [];
  readonly forgotten = new Set<ResultSink>();
  /** The next commands for a shard fail like this, without being run. */
  readonly failing = new Map<number, { reason: ErrorReason; message: string }>();
  waiting: Waiting[] = [];
  nowMs = 1_700_000_000_000;

  private readonly ranges: readonly ShardRange[];
  private readonly machines: Kv[];
  private readonly indexes: number[];
  private roomListener: () => void = () => undefined;

  constructor(readonly shardCount = 4) {
    this.ranges = slotRanges(shardCount).map((range, i) => ({ shard: i + 1, ...range }));
    this.machines = this.ranges.map(({ firstSlot, lastSlot }) =>
      createKv({ hashSeed: 7, valueBytesMax: 8 * 1024 * 1024, firstSlot, lastSlot }),
    );
    this.indexes = this.machines.map(() => 0);
  }

  submit(
    slot: Slot,
    bytes: Uint8Array,
    start: number,
    end: number,
    deadline: MonoMs,
    sink: ResultSink,
    token: number,
    freshness = 0,
  ): void {
    this.freshnesses.push(freshness);
    this.submitted++;
    this.deadlines.push(deadline);
    const shard = this.shardAt(slot);
    const failure = this.failing.get(shard);
    const out = new ByteWriter();
    if (failure) putFailed(out, failure.reason, failure.message, 0);
    else this.run(shard, bytes.slice(start, end), out);
    this.waiting.push({ shard, sink, token, result: out.take() });
  }

  forget(sink: ResultSink): void {
    this.forgotten.add(sink);
    this.waiting = this.waiting.filter((w) => w.sink !== sink);
  }

  shardOf(slot: Slot): number {
    return this.mapKnown ? this.shardAt(slot) : -1;
  }

  shards(): readonly ShardRange[] {
    return this.mapKnown ? this.ranges : [];
  }

  onRoom(listener: () => void): void {
    this.roomListener = listener;
  }

  giveRoom(): void {
    this.hasRoom = true;
    this.roomListener();
  }

  /** Delivers all results, in an order of the test's choosing: `pick` gets the count and answers a position. */
  deliverAll(pick: (count: number) => number = () => 0): void {
    while (this.waiting.length > 0) this.deliver(pick(this.waiting.length));
  }

  /** Delivers the result at a position among those that wait. */
  deliver(position: number): void {
    const [next] = this.waiting.splice(position, 1);
    if (!next) throw new Error(`no result at ${position}`);
    // Not at the start of a buffer, so that a sink that ignores `start` is found out.
    const padded = new Uint8Array(next.result.length + 8).fill(0xee);
    padded.set(next.result, 4);
    next.sink.onResult(next.token, padded, 4, 4 + next.result.length);
    padded.fill(0xee);
  }

  stateHash(shard: number): string {
    return (this.machines[shard - 1] as Kv).stateHash();
  }

  /** Another replica takes over: it has the shard's state from a snapshot, in tables of its own making. */
  changeLeader(shard: number): void {
    const { firstSlot, lastSlot } = this.ranges[shard - 1] as ShardRange;
    const next = createKv({ hashSeed: 99, valueBytesMax: 8 * 1024 * 1024, firstSlot, lastSlot });
    const source = (this.machines[shard - 1] as Kv).snapshot();
    const loader = next.loader();
    for (let chunk = source.next(4096); chunk !== null; chunk = source.next(4096)) loader.push(chunk);
    loader.finish();
    this.machines[shard - 1] = next;
  }

  private shardAt(slot: Slot): number {
    return this.ranges.findIndex((range) => slot <= range.lastSlot) + 1;
  }

  private run(shard: number, command: Uint8Array, out: ByteWriter): void {
    const kv = this.machines[shard - 1] as Kv;
    const entry = new ByteWriter();
    beginEntry(entry);
    const isWrite = isWriteOp(command[0] as number);
    if (isWrite) appendCommand(entry, command, 0, command.length);
    finishEntry(entry, this.nowMs, isWrite ? 1 : 0);
    const index = ((this.indexes[shard - 1] as number) += 1);
    kv.apply(index, 1, entry.take(), {
      onResult: (_position, bytes, start, end) => out.bytes(bytes, start, end),
    });
    if (isWrite) return;
    const read = kv.read(command, 0, command.length, this.nowMs, out);
    if (read !== 'done') throw new Error('a read at the applied time needs no time');
  }
}
