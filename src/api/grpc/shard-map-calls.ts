/**
 * The shard map for clients, asked for once or watched. A watcher gets the map at once and after changes; changes that
 * come close together are told as one, and a watcher that takes its time gets only the newest.
 *
 * Invariants: at most one message of a watcher waits in its stream; the map is encoded once per change, for all.
 */
import { encodeMapMessage, MalformedMessage, UNARY_REQUESTS } from '../../codec/cache/index.js';
import type { CacheFailure, MessageStream, MessageStreamHandler, Timers } from '../../ports/index.js';
import type { ClusterDirectory } from '../gateway-port.js';
import type { FailureTeller } from './failures.js';
import { MAP_CHANGE_DELAY_MS, MAP_RETRY_MS } from './limits.js';

/** The map as clients are told it: nodes that are there, shards by slot, leaders as far as they are known. */
export function encodeDirectory(directory: ClusterDirectory): Uint8Array {
  const map = directory.map();
  return encodeMapMessage({
    clusterId: directory.clusterId(),
    version: map.version,
    nodes: map.nodes
      .filter((node) => node.state !== 'removed')
      .map(({ id, addresses: { grpc, resp, respMoved } }) => ({ id, grpc, resp, respMoved })),
    shards: [...map.shards]
      .sort((a, b) => a.firstSlot - b.firstSlot)
      .map(({ id, firstSlot, lastSlot, replicas }) => {
        const leader = directory.leaderOf(id);
        return {
          id,
          firstSlot,
          lastSlot,
          nodes: replicas.map(({ node }) => node),
          leader,
          term: leader === 0 ? 0 : directory.leaderTermOf(id),
        };
      }),
  });
}

export interface ShardMapDeps {
  readonly directory: ClusterDirectory;
  readonly timers: Timers;
  readonly failures: FailureTeller;
}

export class ShardMapCalls {
  private readonly watchers = new Set<Watcher>();
  /** Null: to be made again. */
  private encoded: Uint8Array | null = null;
  private isTelling = false;
  private isStopped = false;

  constructor(private readonly deps: ShardMapDeps) {
    deps.directory.onChange(() => this.onChange());
  }

  get watcherCount(): number {
    return this.watchers.size;
  }

  /** The map now, as bytes that must not be changed. */
  current(): Uint8Array {
    return (this.encoded ??= encodeDirectory(this.deps.directory));
  }

  watch(request: Uint8Array, stream: MessageStream): MessageStreamHandler {
    const watcher = new Watcher(stream, this, (gone) => this.watchers.delete(gone));
    const refusal = refusalOf(request);
    if (this.isStopped) stream.end(this.deps.failures.failure('UNAVAILABLE', 'the node is stopping'));
    else if (refusal !== null) stream.end(this.deps.failures.failure('INVALID_ARGUMENT', refusal));
    else {
      this.watchers.add(watcher);
      watcher.tell();
    }
    return watcher;
  }

  stop(): void {
    this.isStopped = true;
    const failure = this.deps.failures.failure('UNAVAILABLE', 'the node is stopping');
    for (const watcher of this.watchers) watcher.end(failure);
    this.watchers.clear();
  }

  private onChange(): void {
    this.encoded = null;
    for (const watcher of this.watchers) watcher.isStale = true;
    this.tellAfter(MAP_CHANGE_DELAY_MS);
  }

  private tellAfter(delayMs: number): void {
    if (this.isTelling || this.watchers.size === 0) return;
    this.isTelling = true;
    this.deps.timers.after(delayMs, () => {
      this.isTelling = false;
      let areAllTold = true;
      for (const watcher of this.watchers) if (!watcher.tell()) areAllTold = false;
      if (!areAllTold) this.tellAfter(MAP_RETRY_MS);
    });
  }
}

function refusalOf(request: Uint8Array): string | null {
  try {
    UNARY_REQUESTS.GetShardMap.decode(request);
    return null;
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return `malformed request: ${error.message}`;
  }
}

class Watcher implements MessageStreamHandler {
  /** There is something newer than what was told last. */
  isStale = true;
  private wasTold = false;

  constructor(
    private readonly stream: MessageStream,
    private readonly calls: ShardMapCalls,
    private readonly gone: (watcher: Watcher) => void,
  ) {}

  /** False: what was told before has not left yet, so that the newest waits here. */
  tell(): boolean {
    if (!this.isStale) return true;
    // The first map never waits: nothing would come back to it before the next change.
    if (this.wasTold && this.stream.bufferedBytes() > 0) return false;
    this.wasTold = true;
    this.isStale = false;
    this.stream.write(this.calls.current());
    return true;
  }

  end(failure: CacheFailure): void {
    this.stream.end(failure);
  }

  onMessage(): void {
    // The one message of the client opened the call.
  }

  onDrain(): void {
    // The next round of telling looks at how much waits.
  }

  onHalfClose(): void {
    // A client that asks nothing more still wants the answers.
  }

  onClose(): void {
    this.gone(this);
  }
}
