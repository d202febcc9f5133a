/** The HTTP pages of a node: `/healthz`, `/readyz`, `/metrics`. */
import type { HttpResponse } from '../ports/index.js';
import type { NodePorts, NodeStatus } from './api.js';

export function httpPage(
  path: string,
  ports: NodePorts,
  status: NodeStatus,
  answer: (response: HttpResponse) => void,
): void {
  switch (path.split('?')[0]) {
    case '/healthz':
      answer({ status: 200, contentType: 'text/plain', body: 'ok\n' });
      return;
    case '/readyz': {
      const body = JSON.stringify({ ready: status.ready, missing: status.missing }) + '\n';
      answer({ status: status.ready ? 200 : 503, contentType: 'application/json', body });
      return;
    }
    case '/metrics':
      ports.renderMetrics((body, contentType) => answer({ status: 200, contentType, body }));
      return;
    default:
      answer({ status: 404, contentType: 'text/plain', body: 'there are /healthz, /readyz and /metrics\n' });
  }
}
