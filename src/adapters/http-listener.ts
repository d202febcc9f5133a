/** The HTTP page for people and scrapers over `node:http`: GET and HEAD, nothing else, nothing large. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { CloseListener, HttpListeners, HttpResponse } from '../ports/index.js';
import { boundAddress, parseAddress } from './tcp-address.js';
import { closeServer, listenOn } from './tcp-listen.js';

type Handle = (path: string, answer: (response: HttpResponse) => void) => void;

const BACKLOG = 128;
/** A request line and a few headers; a slow or endless one is closed. */
const LIMITS = { maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 10_000 };
const CONNECTIONS_MAX = 256;

export const httpListeners: HttpListeners = { listen };

function listen(
  address: string,
  handle: Handle,
  done: (error: Error | null, bound: string, close: CloseListener) => void,
): void {
  const asked = parseAddress(address);
  const server = createServer(LIMITS, (request, response) => serve(request, response, handle));
  server.maxConnections = CONNECTIONS_MAX;
  listenOn(server, { ...asked, backlog: BACKLOG }, address, (error) => {
    const close: CloseListener = (closed) => {
      closeServer(server, closed);
      server.closeAllConnections();
    };
    done(error, error === null ? boundAddress(asked, server.address()) : '', close);
  });
}

function serve(request: IncomingMessage, response: ServerResponse, handle: Handle): void {
  // The client may go at any moment; what is written to it then goes nowhere.
  response.on('error', () => undefined);
  request.resume();
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD', 'content-type': 'text/plain; charset=utf-8' });
    response.end('only GET and HEAD are served here\n');
    return;
  }
  let answered = false;
  const path = (request.url ?? '/').split('?', 1)[0] as string;
  handle(path, ({ status, contentType, body }) => {
    if (answered) return;
    answered = true;
    const bytes = Buffer.from(body, 'utf8');
    response.writeHead(status, {
      'content-type': contentType,
      'content-length': bytes.length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  });
}
