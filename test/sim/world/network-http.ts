/** Simulated HTTP: one question, one answer, after a delay each. */
import type { Prng } from '../../../src/base/index.js';
import type { CloseListener, HttpListeners, HttpResponse } from '../../../src/ports/index.js';
import { WORLD, type Owner } from './loop.js';
import { addressInUse, type SimListener, type SimWire } from './network-wire.js';

type Handle = (path: string, answer: (response: HttpResponse) => void) => void;

class HttpListener implements SimListener {
  readonly kind = 'http';
  constructor(
    readonly owner: Owner,
    readonly handle: Handle,
  ) {}
}

export class SimHttp implements HttpListeners {
  constructor(
    private readonly wire: SimWire,
    private readonly prng: Prng,
    private readonly owner: Owner,
  ) {}

  listen(
    address: string,
    handle: Handle,
    done: (error: Error | null, bound: string, close: CloseListener) => void,
  ): void {
    const { loop } = this.wire;
    const bound = this.wire.bind(address, new HttpListener(this.owner, handle));
    loop.schedule(this.owner, 0, () => {
      if (bound === null) {
        done(addressInUse(address), '', (closed) => closed());
        return;
      }
      done(null, bound, (closed) => {
        this.wire.release(bound);
        loop.schedule(this.owner, 0, closed);
      });
    });
  }

  get(address: string, path: string, done: (response: HttpResponse | null) => void): void {
    const { loop } = this.wire;
    let answered = false;
    const answer = (response: HttpResponse | null): void => {
      if (answered) return;
      answered = true;
      loop.schedule(this.owner, this.wire.drawDelay(this.prng), () => done(response));
    };
    loop.schedule(WORLD, this.wire.drawDelay(this.prng), () => {
      const listener = this.wire.listenerAt(address);
      if (!(listener instanceof HttpListener) || loop.isDead(listener.owner)) answer(null);
      else listener.handle(path, answer);
    });
  }
}
