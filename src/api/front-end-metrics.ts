/**
 * What every front end counts of the operations it answers, under the same names: requests and their duration by
 * operation, and the cache's own figures. Cells are looked up once per operation and outcome, when first needed; after
 * that an operation costs a few additions. It is counted when it is answered.
 */
import type { Counter, ErrorReason, Histogram, MetricsRegistry } from '../base/index.js';
import { Outcome, OUTCOME_NAMES } from './resp/result-encoder.js';

const MS_A_SECOND = 1000;

/** Which of the cache's own figures an operation moves. */
export type CacheUse = 'get' | 'put' | 'delete' | 'none';

export class FrontEndMetrics {
  readonly bytesIn: Counter;
  readonly bytesOut: Counter;
  readonly hits: Counter;
  readonly misses: Counter;
  private readonly requests: (Counter | undefined)[] = [];
  private readonly durations: (Histogram | undefined)[] = [];
  private readonly gets: Counter;
  private readonly puts: Counter;
  private readonly putSuccesses: Counter;
  private readonly deletes: Counter;
  private readonly getSeconds: Histogram;
  private readonly putSeconds: Histogram;

  constructor(
    protected readonly registry: MetricsRegistry,
    private readonly protocol: string,
    /** The label `operation` of a row: an integer from 0 on. */
    private readonly nameOf: (row: number) => string,
  ) {
    this.bytesIn = registry.counter('bytes_in_total', 'Bytes received from clients');
    this.bytesOut = registry.counter('bytes_out_total', 'Bytes sent to clients');
    this.gets = registry.counter('cache_get_total', 'Keys read');
    this.hits = registry.counter('cache_get_hits_total', 'Keys read that were there');
    this.misses = registry.counter('cache_get_misses_total', 'Keys read that were not there');
    this.puts = registry.counter('cache_put_total', 'Keys whose write was answered, with whatever outcome');
    this.putSuccesses = registry.counter('cache_put_success_total', 'Keys whose write did not fail');
    this.deletes = registry.counter('cache_delete_total', 'Keys named in answered deletes');
    this.getSeconds = registry.histogram('cache_get_latency_seconds', 'Time to answer a read');
    this.putSeconds = registry.histogram('cache_put_latency_seconds', 'Time to answer a write');
  }

  /** `hits` and `misses` count for a read that went well, `reason` for a write of outcome failed or unknown. */
  protected count(
    row: number,
    outcome: Outcome,
    use: CacheUse,
    keys: number,
    hits: number,
    misses: number,
    reason: ErrorReason | null,
    durationMs: number,
  ): void {
    const seconds = durationMs / MS_A_SECOND;
    this.requestCell(row, outcome).inc();
    this.durationCell(row).observe(seconds);
    if (use === 'get') {
      this.gets.inc(keys);
      if (outcome === Outcome.ok) {
        this.hits.inc(hits);
        this.misses.inc(misses);
      }
      this.getSeconds.observe(seconds);
    } else if (use === 'put') {
      this.puts.inc(keys);
      if (outcome === Outcome.ok) this.putSuccesses.inc(keys);
      else this.putFailed(outcome === Outcome.error ? 'refused' : (reason ?? 'INTERNAL'), keys);
      this.putSeconds.observe(seconds);
    } else if (use === 'delete') {
      this.deletes.inc(keys);
    }
  }

  private putFailed(reason: ErrorReason | 'refused', keys: number): void {
    this.registry
      .counter('cache_put_failures_total', 'Keys whose write failed', { reason: reason.toLowerCase() })
      .inc(keys);
  }

  private requestCell(row: number, outcome: Outcome): Counter {
    const at = row * OUTCOME_NAMES.length + outcome;
    return (this.requests[at] ??= this.registry.counter('requests_total', 'Commands answered', {
      operation: this.nameOf(row),
      protocol: this.protocol,
      outcome: OUTCOME_NAMES[outcome] as string,
    }));
  }

  private durationCell(row: number): Histogram {
    return (this.durations[row] ??= this.registry.histogram(
      'request_duration_seconds',
      'Time from reading a command to its answer',
      { operation: this.nameOf(row), protocol: this.protocol },
    ));
  }
}
