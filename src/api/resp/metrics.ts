/** The RESP front end's figures: those of every front end, and of its connections. A command whose connection closed before its answer isn't counted. */
import type { MetricsRegistry } from '../../base/index.js';
import { FrontEndMetrics } from '../front-end-metrics.js';
import type { CommandSpec } from './command-spec.js';
import type { Outcome, ResultEncoder } from './result-encoder.js';

const PROTOCOL = 'resp';

export class RespMetrics extends FrontEndMetrics {
  constructor(
    registry: MetricsRegistry,
    private readonly rows: readonly CommandSpec[],
    connections: () => number,
  ) {
    // Row 0 stands for what isn't in the table.
    super(registry, PROTOCOL, (row) => rows[row - 1]?.name ?? 'unknown');
    registry.gaugeRow('connections', 'Open client connections', { protocol: PROTOCOL }, connections);
    registry.gaugeValue('cache_hit_ratio', 'Share of the keys read that were there, since the start', () => {
      const looked = this.hits.value + this.misses.value;
      return looked === 0 ? 0 : this.hits.value / looked;
    });
  }

  /** A command of row `row` (-1: unknown) was answered; `encoder` tells of its result. */
  answered(row: number, outcome: Outcome, keys: number, durationMs: number, encoder: ResultEncoder): void {
    const use = this.rows[row]?.cache ?? 'none';
    this.count(row + 1, outcome, use, keys, encoder.values, encoder.nulls, encoder.reason, durationMs);
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
}
