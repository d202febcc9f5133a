/**
 * Reads count only if ReadIndex rounds, or the log, covered them: the nodes' own counters, taken before and after a run, must show
 * it. A server that answered reads from memory without asking its peers would be fast, and wrong.
 *
 * A read behind unanswered writes of its own connection rides in the log and is answered where it is applied, after a
 * quorum has it: it needs no round. For R reads of clients that together never have more than W open, of which L rode
 * in the log, two things must hold:
 *   1. at least R - L reads were confirmed by a round;
 *   2. there were at least (R - L) / W rounds: a round covers only reads that were waiting for it, which are at most W.
 */
import { sumOfMetric } from './parse-metrics.js';

const READS_CONFIRMED = 'quorate_raft_read_index_total';
const IN_LOG = 'quorate_raft_reads_in_log_total';
const ROUNDS = 'quorate_raft_read_index_latency_seconds_count';

export interface ReadCounters {
  readonly confirmed: number;
  readonly rounds: number;
  /** Reads answered from their place in the log. */
  readonly inLog: number;
}

/** From the text of every node's /metrics page. Throws when a page lacks the counters: then nothing is proven. */
export function readCountersOf(pages: readonly string[]): ReadCounters {
  const sum = (name: string): number =>
    pages.reduce((total, page) => {
      const value = sumOfMetric(page, name);
      if (value === null) throw new Error(`not linearizable: a node shows no ${name}`);
      return total + value;
    }, 0);
  return { confirmed: sum(READS_CONFIRMED), rounds: sum(ROUNDS), inLog: sum(IN_LOG) };
}

/** Null when the reads were covered, else why the row must be refused. `openMax` may be Infinity: not known. */
export function whyReadsDontCount(
  before: ReadCounters,
  after: ReadCounters,
  reads: number,
  openMax: number,
): string | null {
  const confirmed = after.confirmed - before.confirmed;
  const rounds = after.rounds - before.rounds;
  const needRound = Math.max(0, reads - (after.inLog - before.inLog));
  const roundsMin = needRound === 0 ? 0 : Math.max(1, Math.ceil(needRound / openMax));
  if (confirmed < needRound) {
    return `not linearizable: ${confirmed} of ${needRound} reads were confirmed by a ReadIndex round`;
  }
  if (rounds < roundsMin) {
    return (
      `not linearizable: ${rounds} ReadIndex rounds for ${needRound} reads, of which at most ${openMax} were open ` +
      `at once; at least ${roundsMin} are needed`
    );
  }
  return null;
}
