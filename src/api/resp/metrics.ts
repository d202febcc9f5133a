/**
 * The front end's figures. Cells are looked up once per command and outcome, when first needed; after that a command
 * costs a few additions. A command is counted when it is answered; one whose connection closed before isn't.
 */
import type { Counter, ErrorReason, Histogram, MetricsRegistry } from '../../base/index.js';
import type { CommandSpec } from './command-spec.js';
import { Outcome, OUTCOME_NAMES, type ResultEncoder } from './result-encoder.js';

const PROTOCOL = 'resp';
const MS_A_SECOND = 1000;

export class RespMetrics {
  readonly bytesIn: Counter;
  readonly bytesOut: Counter;
  private readonly requests: (Counter | undefined)[] = [];
  private readonly durations: (Histogram | undefined)[] = [];
  private readonly gets: Counter;
  private readonly hits: Counter;
  private readonly misses: Counter;
  private readonly puts: Counter;
  private readonly putSuccesses: Counter;
  private readonly deletes: Counter;
  private readonly getSeconds: Histogram;
  private readonly putSeconds: Histogram;

  constructor(
    private readonly registry: MetricsRegistry,
    private readonly rows: readonly CommandSpec[],
    connections: () => number,
  ) {
    this.bytesIn = registry.counter('bytes_in_total', 'Bytes received from clients');
    this.bytesOut = registry.counter('bytes_out_total', 'Bytes sent to clients');
    registry.gaugeRow('connections', 'Open client connections', { protocol: PROTOCOL }, connections);
    this.gets = registry.counter('cache_get_total', 'Keys read');
    this.hits = registry.counter('cache_get_hits_total', 'Keys read that were there');
    this.misses = registry.counter('cache_get_misses_total', 'Keys read that were not there');
    registry.gaugeValue('cache_hit_ratio', 'Share of the keys read that were there, since the start', () => {
      const looked = this.hits.value + this.misses.value;
      return looked === 0 ? 0 : this.hits.value / looked;
    });
    this.puts = registry.counter('cache_put_total', 'Keys whose write was answered, with whatever outcome');
    this.putSuccesses = registry.counter('cache_put_success_total', 'Keys whose write did not fail');
    this.deletes = registry.counter('cache_delete_total', 'Keys named in answered deletes');
    this.getSeconds = registry.histogram('cache_get_latency_seconds', 'Time to answer a read');
    this.putSeconds = registry.histogram('cache_put_latency_seconds', 'Time to answer a write');
  }

  /** A command of row `row` (-1: unknown) was answered; `encoder` tells of its result. */
  answered(row: number, outcome: Outcome, keys: number, durationMs: number, encoder: ResultEncoder): void {
    const seconds = durationMs / MS_A_SECOND;
    this.requestCell(row, outcome).inc();
    this.durationCell(row).observe(seconds);
    switch (this.rows[row]?.cache) {
      case 'get':
        this.gets.inc(keys);
        if (outcome === Outcome.ok) {
          this.hits.inc(encoder.values);
          this.misses.inc(encoder.nulls);
        }
        this.getSeconds.observe(seconds);
        break;
      case 'put':
        this.puts.inc(keys);
        if (outcome === Outcome.ok) this.putSuccesses.inc(keys);
        else this.putFailed(outcome === Outcome.error ? 'refused' : encoder.reason, keys);
        this.putSeconds.observe(seconds);
        break;
      case 'delete':
        this.deletes.inc(keys);
        break;
      case 'none':
      case undefined:
        break;
    }
  }

  rejected(reason: 'limit' | 'stopping'): void {
    this.registry.counter('connections_rejected_total', 'Connections refused', { reason }).inc();
  }

  /** A connection was closed for a fault of its own. */
  cutOff(reason: 'protocol' | 'output_limit' | 'output_soft_limit'): void {
    this.registry
      .counter('connections_cut_off_total', 'Client connections closed by the node', { reason })
      .inc();
  }

  private putFailed(reason: ErrorReason | 'refused', keys: number): void {
    this.registry
      .counter('cache_put_failures_total', 'Keys whose write failed', { reason: reason.toLowerCase() })
      .inc(keys);
  }

  private requestCell(row: number, outcome: Outcome): Counter {
    const at = (row + 1) * OUTCOME_NAMES.length + outcome;
    return (this.requests[at] ??= this.registry.counter('requests_total', 'Commands answered', {
      operation: this.operation(row),
      protocol: PROTOCOL,
      outcome: OUTCOME_NAMES[outcome] as string,
    }));
  }

  private durationCell(row: number): Histogram {
    return (this.durations[row + 1] ??= this.registry.histogram(
      'request_duration_seconds',
      'Time from reading a command to its answer',
      { operation: this.operation(row), protocol: PROTOCOL },
    ));
  }

  private operation(row: number): string {
    return this.rows[row]?.name ?? 'unknown';
  }
}
