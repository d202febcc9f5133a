/**
 * Follows the change feed of a shard from replica to replica with one position, keeps a copy by it, and takes a state
 * only when it is told to. It reads when it was called, and only then: a call that is left out leaves it behind.
 */
import { ByteWriter } from '../../src/base/index.js';
import type { FeedDesk, FeedReader, FeedReply } from '../../src/group/index.js';
import type { FeedPosition } from '../../src/kv/index.js';
import type { SnapshotSource } from '../../src/ports/index.js';
import { FeedCopy, FeedViolation, itemsIn, type Items } from './feed-copy.js';

const CHUNK_BYTES = 65_536;

export class FeedFollower {
  readonly copy = new FeedCopy();
  /** It was called, or came to another replica, and has not read to the end since. */
  isDue = false;
  /** Calls of its readers, and states that it had to take. */
  calls = 0;
  resyncs = 0;
  last: FeedReply['kind'] = 'unavailable';
  private reader: FeedReader | null = null;
  private readonly out = new ByteWriter(4096);

  attach(desk: FeedDesk): void {
    this.reader?.close();
    this.reader = desk.open(() => {
      this.calls++;
      this.isDue = true;
    });
    if (this.reader === null) throw new FeedViolation('no reader');
    this.isDue = true;
  }

  /** The replica's node is gone, and tells nobody. */
  forget(): void {
    this.reader = null;
    this.isDue = false;
  }

  get isAttached(): boolean {
    return this.reader !== null;
  }

  /** Reads once. */
  step(bytesMax: number): FeedReply['kind'] {
    const { reader, copy, out } = this;
    if (reader === null) throw new FeedViolation('not attached');
    out.reset();
    const reply = reader.read(copy.position, bytesMax, out);
    this.last = reply.kind;
    switch (reply.kind) {
      case 'changes':
      case 'end':
        copy.take(reply, out.buffer, 0, out.length, (hash, version, into) =>
          reader.itemOf(hash, version, into),
        );
        break;
      case 'too_old':
        if (copy.position.version >= reply.oldest.version && copy.position.index >= reply.oldest.index)
          throw new FeedViolation('too old, it says, and has what comes next');
        this.resync(reader);
        break;
      case 'other_history':
        throw new FeedViolation(`a position of this shard is none: ${JSON.stringify(copy.position)}`);
      case 'ahead':
      case 'unavailable':
        break;
    }
    this.isDue = reply.kind === 'changes' || reply.kind === 'too_old';
    return reply.kind;
  }

  /** Reads until there is no more for now. */
  drain(bytesMax: number): FeedReply['kind'] {
    do this.step(bytesMax);
    while (this.isDue);
    return this.last;
  }

  /** The replica has more than was read, and nobody called: what should never be between two turns. */
  get isForgotten(): boolean {
    if (this.isDue || this.last !== 'end') return false;
    const newest = this.reader?.newest ?? null;
    return newest !== null && newest.version !== this.copy.position.version;
  }

  /** Where the replica's feed stands, if it tells. */
  get newest(): FeedPosition | null {
    return this.reader?.newest ?? null;
  }

  /** Compares with the replica's own state, where the copy stands at its end. */
  verify(): void {
    const taken = this.reader?.takeState() ?? null;
    if (taken === null) return;
    const state = itemsOf(taken.state);
    const { index, version } = this.copy.position;
    if (taken.position.index !== index || taken.position.version !== version) return;
    const difference = this.copy.differenceFrom(state);
    if (difference !== null) throw new FeedViolation(`at entry ${index}: ${difference}`);
  }

  private resync(reader: FeedReader): void {
    const taken = reader.takeState();
    if (taken === null) throw new FeedViolation('too old, and no state to be had');
    this.copy.restart(taken.position, itemsOf(taken.state));
    this.resyncs++;
  }
}

export function itemsOf(source: SnapshotSource): Items {
  const chunks: Uint8Array[] = [];
  for (let chunk = source.next(CHUNK_BYTES); chunk !== null; chunk = source.next(CHUNK_BYTES))
    chunks.push(chunk);
  source.release();
  return itemsIn(chunks);
}
