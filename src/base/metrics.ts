/**
 * Metrics as plain numbers, bumped in place on the hot path and read only when somebody scrapes. An adapter turns a
 * registry into Prometheus text; the simulator reads the numbers directly. Names are without the `quorate_` prefix.
 */
export type Labels = Readonly<Record<string, string>>;

export class Counter {
  value = 0;
  inc(by = 1): void {
    this.value += by;
  }
}

/** Upper bounds in seconds, 50 microseconds to 10 s. */
export const LATENCY_BUCKETS_SECONDS: readonly number[] = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class Histogram {
  /** Not cumulative; one more than the bounds, the last for what is above them. */
  readonly counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let i = 0;
    while (i < this.bounds.length && value > (this.bounds[i] as number)) i++;
    this.counts[i] = (this.counts[i] as number) + 1;
    this.sum += value;
    this.count++;
  }
}

export interface GaugeRow {
  readonly labels: Labels;
  readonly value: number;
}

export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** Counters and histograms by label set. */
  readonly cells: readonly { readonly labels: Labels; readonly cell: Counter | Histogram }[];
  /** Gauges (and counters kept elsewhere) are read at scrape time. */
  readonly read: (() => readonly GaugeRow[]) | null;
}

interface Family extends MetricFamily {
  readonly cells: { labels: Labels; cell: Counter | Histogram }[];
}

export class MetricsRegistry {
  private readonly families = new Map<string, Family>();
  private readonly sharedGauges = new Map<string, Map<string, { labels: Labels; read: () => number }>>();

  /** The counter with these labels; the same cell for the same name and labels. */
  counter(name: string, help: string, labels: Labels = {}): Counter {
    return this.cell(name, help, 'counter', labels, () => new Counter()) as Counter;
  }

  histogram(name: string, help: string, labels: Labels = {}, bounds = LATENCY_BUCKETS_SECONDS): Histogram {
    return this.cell(name, help, 'histogram', labels, () => new Histogram(bounds)) as Histogram;
  }

  /** A figure that is read when scraped. A second registration of a name replaces the first. */
  gauge(name: string, help: string, read: () => readonly GaugeRow[]): void {
    this.families.set(name, { name, help, kind: 'gauge', cells: [], read });
  }

  /** One row of a gauge that several registrants share; the same name and labels again replace the row. */
  gaugeRow(name: string, help: string, labels: Labels, read: () => number): void {
    let rows = this.sharedGauges.get(name);
    if (rows === undefined) {
      rows = new Map();
      this.sharedGauges.set(name, rows);
    }
    rows.set(JSON.stringify(labels), { labels, read });
    const shared = rows;
    this.gauge(name, help, () =>
      [...shared.values()].map((row) => ({ labels: row.labels, value: row.read() })),
    );
  }

  /** A gauge with one value and no labels. */
  gaugeValue(name: string, help: string, read: () => number): void {
    this.gauge(name, help, () => [{ labels: {}, value: read() }]);
  }

  list(): readonly MetricFamily[] {
    return [...this.families.values()];
  }

  private cell(
    name: string,
    help: string,
    kind: 'counter' | 'histogram',
    labels: Labels,
    create: () => Counter | Histogram,
  ): Counter | Histogram {
    let family = this.families.get(name);
    if (!family) {
      family = { name, help, kind, cells: [], read: null };
      this.families.set(name, family);
    }
    const key = JSON.stringify(labels);
    for (const row of family.cells) if (JSON.stringify(row.labels) === key) return row.cell;
    const cell = create();
    family.cells.push({ labels, cell });
    return cell;
  }
}
