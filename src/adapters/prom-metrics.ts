/**
 * The metrics registry as Prometheus text. The node bumps plain numbers; this reads them when somebody scrapes and
 * has prom-client write them, together with its own figures about the process (`process_*`, `nodejs_*`).
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Metric } from 'prom-client';

import { Counter } from '../base/index.js';
import type { Labels, MetricFamily, MetricsRegistry, Histogram } from '../base/index.js';

const PREFIX = 'quorate_';
const NANOSECONDS_PER_SECOND = 1e9;
const LOOP_DELAY_RESOLUTION_MS = 10;

interface Sample {
  readonly labels: Record<string, string | number>;
  readonly value: number;
  readonly metricName?: string;
}

export type RenderMetrics = (done: (text: string, contentType: string) => void) => void;

export function createPromRenderer(metrics: MetricsRegistry): RenderMetrics {
  const ownFigures = new Registry();
  collectDefaultMetrics({ register: ownFigures });
  return (done) => {
    const ours = new Registry();
    for (const family of metrics.list()) ours.registerMetric(asPromMetric(family));
    const text = Promise.all([ours.metrics(), ownFigures.metrics()]).then((parts) => parts.join('\n'));
    text.then(
      (whole) => done(whole, ours.contentType),
      (error: unknown) => done(`# metrics could not be rendered: ${String(error)}\n`, ours.contentType),
    );
  };
}

/** Figures of the process that prom-client doesn't have. Stop the sampling with the returned function. */
export function registerProcessMetrics(metrics: MetricsRegistry, version: string): () => void {
  metrics.gauge('build_info', 'Version of this node and of Node.js.', () => [
    { labels: { version, node_version: process.version }, value: 1 },
  ]);
  const delay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
  delay.enable();
  metrics.gauge('event_loop_delay_seconds', 'Delay of the event loop since the last scrape.', () => {
    const rows = [0.5, 0.9, 0.99, 1].map((quantile) => ({
      labels: { quantile: String(quantile) },
      value: delay.percentile(quantile * 100) / NANOSECONDS_PER_SECOND,
    }));
    delay.reset();
    return rows;
  });
  return () => delay.disable();
}

/** What prom-client needs of a metric to write it: it asks `get` and nothing else. */
function asPromMetric(family: MetricFamily): Metric {
  const name = PREFIX + family.name;
  const metric = {
    name,
    get: () => Promise.resolve({ name, help: family.help, type: family.kind, values: samples(family, name) }),
  };
  return metric as unknown as Metric;
}

function samples(family: MetricFamily, name: string): Sample[] {
  if (family.read) return family.read().map((row) => ({ labels: { ...row.labels }, value: row.value }));
  return family.cells.flatMap(({ labels, cell }) =>
    cell instanceof Counter
      ? [{ labels: { ...labels }, value: cell.value }]
      : histogramSamples(name, labels, cell),
  );
}

function histogramSamples(name: string, labels: Labels, cell: Histogram): Sample[] {
  const rows: Sample[] = [];
  let cumulative = 0;
  for (const [i, bound] of cell.bounds.entries()) {
    cumulative += cell.counts[i] ?? 0;
    rows.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: cumulative });
  }
  rows.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: cell.count });
  rows.push({ metricName: `${name}_sum`, labels: { ...labels }, value: cell.sum });
  rows.push({ metricName: `${name}_count`, labels: { ...labels }, value: cell.count });
  return rows;
}
