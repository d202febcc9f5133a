/** Passes TCP connections on to one address until it is closed: then all of them are lost at once, as by a dead process. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class BreakableProxy {
  private server: Server | null = null;
  private address = '';
  private readonly sockets = new Set<Socket>();

  /** An address of 127.0.0.1 that leads to `target`; the same one for later calls, which need not name it again. */
  async reach(target: string): Promise<string> {
    if (this.address !== '') return this.address;
    const colon = target.lastIndexOf(':');
    const server = createServer((near) => {
      const far = connect(Number(target.slice(colon + 1)), target.slice(0, colon));
      this.pass(near, far);
      this.pass(far, near);
    });
    this.server = server;
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    return this.address;
  }

  close(): void {
    this.server?.close();
    this.server = null;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  private pass(from: Socket, to: Socket): void {
    this.sockets.add(from);
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
    // `close` follows.
    from.on('error', () => undefined);
    from.pipe(to);
  }
}
