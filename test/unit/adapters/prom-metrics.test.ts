/** The registry as Prometheus text: names, labels, cumulative buckets, and the process's own figures. */
import { describe, expect, it } from 'vitest';

import { createPromRenderer, registerProcessMetrics } from '../../../src/adapters/prom-metrics.js';
import { MetricsRegistry } from '../../../src/base/index.js';

function render(metrics: MetricsRegistry): Promise<string> {
  return new Promise((resolve) => createPromRenderer(metrics)((text) => resolve(text)));
}

describe('the page for scrapers', () => {
  it('shows counters, gauges and histograms with the prefix', async () => {
    const metrics = new MetricsRegistry();
    metrics.counter('requests_total', 'Requests.', { operation: 'get' }).inc(3);
    metrics.counter('requests_total', 'Requests.', { operation: 'se"t' }).inc();
    metrics.gaugeValue('ready', 'Ready.', () => 1);
    const seconds = metrics.histogram('wait_seconds', 'Waits.', {}, [0.1, 1]);
    for (const value of [0.05, 0.5, 0.6, 7]) seconds.observe(value);
    const text = await render(metrics);
    expect(text).toContain(
      '# HELP quorate_requests_total Requests.\n# TYPE quorate_requests_total counter\n',
    );
    expect(text).toContain('quorate_requests_total{operation="get"} 3\n');
    expect(text).toContain('quorate_requests_total{operation="se\\"t"} 1\n');
    expect(text).toContain('# TYPE quorate_ready gauge\nquorate_ready 1\n');
    expect(text).toMatch(/quorate_wait_seconds_bucket\{le="0.1"\} 1\n.*le="1"\} 3\n.*le="\+Inf"\} 4\n/);
    expect(text).toMatch(/quorate_wait_seconds_sum 8\.15\d*\nquorate_wait_seconds_count 4\n/);
  });

  it('shows what was registered after the renderer was made, and reads anew each time', async () => {
    const metrics = new MetricsRegistry();
    const renderer = createPromRenderer(metrics);
    const counter = metrics.counter('late_total', 'Late.');
    const text = (): Promise<string> => new Promise((resolve) => renderer(resolve));
    expect(await text()).toContain('quorate_late_total 0');
    counter.inc();
    expect(await text()).toContain('quorate_late_total 1');
  });

  it('shows the process', async () => {
    const metrics = new MetricsRegistry();
    const stop = registerProcessMetrics(metrics, '9.9.9');
    const text = await render(metrics);
    stop();
    expect(text).toContain(`quorate_build_info{version="9.9.9",node_version="${process.version}"} 1`);
    expect(text).toMatch(/quorate_event_loop_delay_seconds\{quantile="0.99"\} \S+/);
    expect(text).toContain('process_cpu_seconds_total');
    expect(text.split('\n').filter((line) => !/^(#.*|[a-z0-9_]+(\{.*\})? \S+|)$/.test(line))).toEqual([]);
  });
});
