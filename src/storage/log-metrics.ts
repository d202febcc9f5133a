/** The log's figures, looked up once. */
import type { Counter, Histogram, MetricsRegistry } from '../base/index.js';

const BYTES_BUCKETS: readonly number[] = [
  256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
];
const COUNT_BUCKETS: readonly number[] = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];

export interface LogMetrics {
  readonly fsyncSeconds: Histogram;
  readonly batchEntries: Histogram;
  readonly batchBytes: Histogram;
  readonly damagedRecords: Counter;
}

export function logMetrics(metrics: MetricsRegistry, sync: boolean): LogMetrics {
  metrics.gaugeValue('log_sync_disabled', '1 when the log is not fsynced: power loss takes writes.', () =>
    sync ? 0 : 1,
  );
  return {
    fsyncSeconds: metrics.histogram('log_fsync_seconds', 'Time to write and fsync one batch of the log.'),
    batchEntries: metrics.histogram('log_batch_entries', 'Log entries in a batch.', {}, COUNT_BUCKETS),
    batchBytes: metrics.histogram('log_batch_bytes', 'Bytes in a batch of the log.', {}, BYTES_BUCKETS),
    damagedRecords: metrics.counter(
      'log_corrupt_records_total',
      'Records of the log that were read back damaged.',
    ),
  };
}
