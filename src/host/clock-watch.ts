/**
 * What a node makes of its own wall clock (ARCHITECTURE section 9, "Time"): told by comparing it with the monotonic clock
 * (steps) and with the peers' median (clock-offsets.ts).
 *
 *   further off than the bound:           does not campaign, takes no leadership over
 *   for `PATIENCE_MS` on end:             hands its leaderships over to nodes whose clocks are right, and says so
 *   a step of more than the bound:        said, with what became of it
 *
 * Patience, because peers are judged by frames: one that waited in a queue looks like a clock that is behind. A step is
 * judged when the peers were heard again: a step that all clocks make comes frame by frame.
 */
import type { Counter, GroupId, MetricsRegistry, MonoMs, NodeId, WallMs } from '../base/index.js';
import type { Replica } from '../group/index.js';
import type { Clock, Logger } from '../ports/index.js';
import { CLOCK_OFFSET_MAX_MS, type ClockOffsets } from './clock-offsets.js';
import { GIVEN_UP_HELP } from './disk-stall.js';

export const PATIENCE_MS = 2000;
const JUDGED_AFTER_MS = 1000;
/** Between two attempts to hand the leadership of one group over: longer than an attempt takes. */
const AGAIN_MS = 2000;
/** Entries that an heir may be behind. */
const LAG_MAX = 64;

export interface ClockWatchOptions {
  readonly clock: Clock;
  readonly offsets: ClockOffsets;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly nodeOf: (group: GroupId, replica: number) => NodeId;
}

export class ClockWatch {
  /** Since when the clock is off; null while it is not. */
  private offSinceMs: MonoMs | null = null;
  private isTold = false;
  /** Wall clock less monotonic clock, at the last tick: constant but for steps and drift. */
  private lead: number | null = null;
  /** Steps not yet judged, added up. */
  private step = { ms: 0, sinceMs: 0 };
  private readonly askedAtMs = new Map<GroupId, MonoMs>();
  private readonly givenUp: Counter;

  constructor(private readonly options: ClockWatchOptions) {
    this.givenUp = options.metrics.counter('leaderships_given_up_total', GIVEN_UP_HELP, { reason: 'clock' });
  }

  /** By this node's last look. */
  get isOff(): boolean {
    return this.offSinceMs !== null;
  }

  /** Off for so long that it is no matter of frames that came late. */
  get mustNotLead(): boolean {
    return this.isTold;
  }

  tick(): void {
    const { clock, offsets } = this.options;
    const wallMs = clock.wallMs();
    const monoMs = clock.monoMs();
    this.noteStep(wallMs, monoMs);
    if (!offsets.isOff(wallMs, monoMs)) {
      if (this.isTold) this.options.logger.warn('the clock agrees with the others again');
      this.offSinceMs = null;
      this.isTold = false;
      this.askedAtMs.clear();
      return;
    }
    this.offSinceMs ??= monoMs;
    if (this.isTold || monoMs - this.offSinceMs < PATIENCE_MS) return;
    this.isTold = true;
    const aheadMs = Math.round(-(offsets.medianMs(wallMs, monoMs) ?? 0));
    this.options.logger.error('the clock is off that of most nodes: leads nothing', { aheadMs });
  }

  /** One step towards another leader of this group; false when there is none to take just now. */
  relieve(replica: Replica): boolean {
    const { clock, offsets, nodeOf } = this.options;
    const { raft, group } = replica;
    if (!replica.serves) return false;
    const monoMs = clock.monoMs();
    const wallMs = clock.wallMs();
    const askedAtMs = this.askedAtMs.get(group);
    if (askedAtMs !== undefined && monoMs - askedAtMs < AGAIN_MS) return false;
    const { followers, lastIndex, configuration } = raft.status();
    const heir = followers.find(
      (f) =>
        configuration.voters.includes(f.id) &&
        f.state === 'replicate' &&
        f.recentlyActive &&
        !f.suspect &&
        lastIndex - f.match <= LAG_MAX &&
        !offsets.isPeerOff(nodeOf(group, f.id), wallMs, monoMs),
    );
    if (heir === undefined || !raft.transferLeader(heir.id)) return false;
    this.askedAtMs.set(group, monoMs);
    this.givenUp.inc();
    return true;
  }

  private noteStep(wallMs: WallMs, monoMs: MonoMs): void {
    const { step } = this;
    const lead = wallMs - monoMs;
    const movedMs = this.lead === null ? 0 : lead - this.lead;
    this.lead = lead;
    if (Math.abs(movedMs) > CLOCK_OFFSET_MAX_MS) {
      step.ms += movedMs;
      step.sinceMs = monoMs;
    }
    if (step.ms !== 0 && monoMs - step.sinceMs >= JUDGED_AFTER_MS) {
      this.tellStep(Math.round(step.ms), wallMs, monoMs);
      step.ms = 0;
    }
  }

  private tellStep(stepMs: number, wallMs: WallMs, monoMs: MonoMs): void {
    const { logger, metrics, offsets } = this.options;
    const [direction, outcome, words] = judgeStep(stepMs, offsets.medianMs(wallMs, monoMs));
    logger.warn(`the wall clock stepped ${direction}: ${words}`, { stepMs });
    const help = 'Steps of this wall clock past 500 ms, and whether the time of shards led here followed';
    metrics.counter('clock_steps_total', help, { direction, followed: outcome }).inc();
  }
}

function judgeStep(
  stepMs: number,
  medianMs: number | null,
): [direction: 'forward' | 'back', followed: 'yes' | 'no', words: string] {
  if (stepMs < 0) return ['back', 'no', 'the time of shards goes on from where it was, more slowly'];
  if (medianMs === null) return ['forward', 'yes', 'followed, as fewer than three clocks are known'];
  if (Math.abs(medianMs) <= CLOCK_OFFSET_MAX_MS) return ['forward', 'yes', 'followed, as most clocks agree'];
  return ['forward', 'no', 'not followed, as most clocks disagree'];
}
