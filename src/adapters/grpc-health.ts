/**
 * The standard health service (grpc.health.v1), from its own definition. The implementation that comes with the
 * definition keeps an entry for every name that anybody ever watched; here only names of this server are kept.
 */
import type { sendUnaryData, Server, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';

/** The whole server, and the one service that is only there while the node is ready. */
const NAMES = ['', 'quorate.v1.Cache'];
/** How often watchers are told of a change. */
const POLL_MS = 100;

interface HealthRequest {
  readonly service: string;
}
interface HealthResponse {
  readonly status: 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}

/** Adds the service to a server; the returned function ends its watching of `ready`. */
export function addHealthService(server: Server, ready: () => boolean): () => void {
  const watchers = new Set<ServerWritableStream<HealthRequest, HealthResponse>>();
  const current = (): HealthResponse => ({ status: ready() ? 'SERVING' : 'NOT_SERVING' });
  let told = current().status;
  server.addService(service, {
    check: (
      call: ServerUnaryCall<HealthRequest, HealthResponse>,
      answer: sendUnaryData<HealthResponse>,
    ): void => {
      if (NAMES.includes(call.request.service)) answer(null, current());
      else answer({ code: status.NOT_FOUND, details: 'no service of that name is served here' });
    },
    watch: (call: ServerWritableStream<HealthRequest, HealthResponse>): void => {
      if (!NAMES.includes(call.request.service)) {
        call.write({ status: 'SERVICE_UNKNOWN' });
        return;
      }
      watchers.add(call);
      call.once('cancelled', () => watchers.delete(call));
      call.write({ status: told });
    },
    list: (_call: unknown, answer: sendUnaryData<unknown>): void => {
      answer(null, { statuses: Object.fromEntries(NAMES.map((name) => [name, current()])) });
    },
  });
  const timer = setInterval(() => {
    const { status: now } = current();
    if (now === told) return;
    told = now;
    for (const call of watchers) call.write({ status: now });
  }, POLL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
