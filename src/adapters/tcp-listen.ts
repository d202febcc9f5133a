/** Listening as all TCP adapters do it: one outcome, errors that name the address, one way to close. */
import type { Server } from 'node:net';

/** Listens, and tells the outcome once. The error names the address. */
export function listenOn(
  server: Server,
  where: { host: string; port: number; backlog: number },
  address: string,
  done: (error: Error | null) => void,
): void {
  const failed = (error: Error): void => done(listenError(error, address));
  server.once('error', failed);
  server.listen(where, () => {
    server.off('error', failed);
    // Errors of a listener that stands concern single accepts (no file descriptors left): the others go on.
    server.on('error', () => undefined);
    done(null);
  });
}

/** The error of `listen` with the address in its message and its code kept (`EADDRINUSE`, …). */
function listenError(error: Error, address: string): Error {
  const code = (error as { code?: unknown }).code;
  const text = code === 'EADDRINUSE' ? 'the address is in use' : error.message;
  const told = new Error(`cannot listen on ${address}: ${text}`, { cause: error });
  return typeof code === 'string' ? Object.assign(told, { code }) : told;
}

export function closeServer(server: Server, done: () => void): void {
  if (!server.listening) process.nextTick(done);
  else server.close(() => done());
}
