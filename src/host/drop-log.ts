/**
 * Messages that were dropped: each is counted, and the first of a kind from a peer in a minute is told, so that a peer
 * that sends nonsense is seen and can't fill the log.
 */
import type { GroupId, MonoMs, NodeId } from '../base/index.js';
import type { Clock, Logger } from '../ports/index.js';
import { describeMessage, type Message } from '../raft/index.js';
import type { HostMetrics } from './host-metrics.js';

const TOLD_AGAIN_MS = 60_000;

/** Said by every peer that is a little behind: worth counting, not telling. */
const ORDINARY: ReadonlySet<string> = new Set(['unknown_replica', 'stranger']);

export class DropLog {
  /** By peer and reason; peers and reasons are few. */
  private readonly toldAtMs = new Map<string, MonoMs>();

  constructor(
    private readonly metrics: HostMetrics,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  note(from: NodeId, reason: string, group: GroupId, message: Message): void {
    this.metrics.dropped(reason).inc();
    const level = ORDINARY.has(reason) ? 'debug' : 'warn';
    if (this.isDue(from, reason))
      this.logger[level]('raft message dropped', { from, reason, group, message: describeMessage(message) });
  }

  /** A frame that can't be read. */
  noteFrame(from: NodeId, problem: string): void {
    this.metrics.dropped('malformed').inc();
    if (this.isDue(from, 'frame')) this.logger.warn('malformed frame dropped', { from, problem });
  }

  private isDue(from: NodeId, reason: string): boolean {
    const key = `${from} ${reason}`;
    const nowMs = this.clock.monoMs();
    const toldMs = this.toldAtMs.get(key);
    if (toldMs !== undefined && nowMs - toldMs < TOLD_AGAIN_MS) return false;
    this.toldAtMs.set(key, nowMs);
    return true;
  }
}
