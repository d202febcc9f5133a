/**
 * Brings the cluster version from group 0 into the logs of the shards that are led here (decisions/0015): whoever leads a
 * shard whose log has not reached it appends `raiseVersion`, until it is applied. Looked at with every new map, when a
 * replica comes to lead, and a few times a second while anything is due.
 */
import { ByteWriter, type GroupId, type MonoMs } from '../base/index.js';
import type { CommandSink, Replica } from '../group/index.js';
import type { Host } from '../host/index.js';
import { encodeRaiseVersion } from '../kv/index.js';

/** Before it is appended again. */
const AGAIN_MS = 2000;

export class ShardVersions {
  /** Groups led here that may be behind, and when that may be tried (again). */
  private readonly pending = new Map<GroupId, MonoMs>();
  private readonly w = new ByteWriter(64);

  constructor(
    private readonly host: Pick<Host, 'replica' | 'all'>,
    private version: number,
  ) {}

  onVersion(version: number): void {
    if (version <= this.version) return;
    this.version = version;
    for (const replica of this.host.all()) this.onRole(replica);
  }

  onRole(replica: Replica): void {
    if (replica.raft.role === 'leader' && this.isBehind(replica)) this.pending.set(replica.group, 0);
  }

  poll(nowMs: MonoMs): void {
    for (const [group, dueMs] of this.pending) if (dueMs <= nowMs) this.raise(group, nowMs);
  }

  private raise(group: GroupId, nowMs: MonoMs): void {
    const replica = this.host.replica(group);
    if (replica === null || replica.raft.role !== 'leader' || !this.isBehind(replica)) {
      this.pending.delete(group);
      return;
    }
    // Serving, it has applied what earlier leaders appended.
    if (!replica.serves) return;
    this.pending.set(group, nowMs + AGAIN_MS);
    this.w.reset();
    encodeRaiseVersion(this.w, this.version);
    replica.submitWrite(this.w.buffer, 0, this.w.length, false, NOBODY, 0);
  }

  /** Group 0's own state has the version: its machine tells none. */
  private isBehind({ machine }: Replica): boolean {
    return machine.clusterVersion !== undefined && machine.clusterVersion < this.version;
  }
}

const NOBODY: CommandSink = { onResult: () => undefined, onRefused: () => undefined };
