/** Figures of the gateway and the forwarder. */
import type { Counter, Histogram, MetricsRegistry } from '../base/index.js';

export interface GatewayMetrics {
  readonly forwards: Counter;
  readonly forwardSuccess: Counter;
  readonly forwardFailures: (reason: string) => Counter;
  readonly forwardTimeouts: Counter;
  readonly forwardsRepeated: Counter;
  readonly forwardLatency: Histogram;
  readonly overloaded: (reason: string) => Counter;
  readonly registerForwardPending: (read: () => number) => void;
}

export function createGatewayMetrics(registry: MetricsRegistry): GatewayMetrics {
  return {
    forwards: registry.counter('forward_total', 'Commands sent to the node that leads their shard'),
    forwardSuccess: registry.counter('forward_success_total', 'Forwarded commands that were answered'),
    forwardFailures: (reason) =>
      registry.counter('forward_failures_total', 'Forwarded commands that were refused or lost', { reason }),
    forwardTimeouts: registry.counter(
      'forward_timeouts_total',
      'Forwarded commands without an answer in time',
    ),
    forwardsRepeated: registry.counter(
      'forward_repeated_total',
      'Writes sent again under the session of this node, whose first attempt is unaccounted for',
    ),
    forwardLatency: registry.histogram(
      'forward_latency_seconds',
      'From sending a command to another node to its answer',
    ),
    overloaded: (reason) =>
      registry.counter('overloaded_total', 'Commands refused for want of room', { reason }),
    registerForwardPending: (read) =>
      registry.gaugeValue('forward_pending', 'Forwarded commands waiting for an answer', read),
  };
}
