/**
 * A simulated gRPC listener. Control calls are copied deeply, delayed, lost at will; the cache is network-cache.ts's. A lost request or answer, or a server that never
 * replies, is `UNAVAILABLE` at the deadline; an address where nobody listens is so at once.
 */
import type { Prng } from '../../../src/base/index.js';
import type {
  ControlClient,
  ControlFailure,
  ControlMethod,
  ControlMethods,
  RpcHandlers,
  RpcServer,
} from '../../../src/ports/index.js';
import { WORLD, type Owner } from './loop.js';
import { listenForCache } from './network-cache.js';
import type { SimStreamWorld } from './network-streams.js';
import { addressInUse, type SimListener, type SimWire } from './network-wire.js';

export class ControlListener implements SimListener {
  readonly kind = 'control';
  constructor(
    readonly owner: Owner,
    readonly handlers: RpcHandlers,
  ) {}
}

export class SimControl implements RpcServer, ControlClient {
  constructor(
    private readonly wire: SimWire,
    private readonly prng: Prng,
    private readonly owner: Owner,
    private readonly streams: SimStreamWorld,
  ) {}

  listen(
    address: string,
    handlers: RpcHandlers,
    done: (error: Error | null, bound: string, close: (done: () => void) => void) => void,
  ): void {
    const { loop } = this.wire;
    const bound = this.wire.bind(address, new ControlListener(this.owner, handlers));
    loop.schedule(this.owner, 0, () => {
      if (bound === null) {
        done(addressInUse(address), '', (closed) => closed());
        return;
      }
      listenForCache(this.streams, this.owner, bound, handlers.cache, (closeCache) => {
        done(null, bound, (closed) => {
          this.wire.release(bound);
          closeCache(closed);
        });
      });
    });
  }

  call<M extends ControlMethod>(
    address: string,
    method: M,
    request: ControlMethods[M]['request'],
    deadlineMs: number,
    done: (failure: ControlFailure | null, response: ControlMethods[M]['response'] | null) => void,
  ): void {
    const { loop, counters } = this.wire;
    const body = structuredClone(request);
    let answered = false;
    counters.controlCalls++;
    const finish = (failure: ControlFailure | null, response: ControlMethods[M]['response'] | null): void => {
      if (answered) return;
      answered = true;
      loop.note(`control ${this.owner} ${method} ${failure === null ? 'ok' : failure.code}`);
      done(failure, response);
    };
    const lost = this.draw(address);
    loop.schedule(this.owner, deadlineMs, () => finish(unavailable(`${address}: no answer in time`), null));
    if (lost) return;
    loop.schedule(WORLD, this.delay(), () => {
      const listener = this.wire.listenerAt(address);
      if (!(listener instanceof ControlListener) || loop.isDead(listener.owner)) {
        loop.schedule(this.owner, this.delay(), () => finish(unavailable(`${address}: refused`), null));
        return;
      }
      const serve = (): void => {
        loop.note(`control ${this.owner}>${listener.owner} ${method}`);
        listener.handlers.control(method, body, (failure, response) => {
          const copy = structuredClone(response);
          if (this.draw(address)) return;
          loop.schedule(this.owner, this.delay(), () => finish(failure, copy));
        });
      };
      if (loop.isPaused(listener.owner)) loop.hold(listener.owner, serve);
      else serve();
    });
  }

  /** Whether this way of a call gets lost. */
  private draw(address: string): boolean {
    const there = this.wire.listenerAt(address);
    const cut =
      there !== undefined &&
      !(this.wire.reaches(this.owner, there.owner) && this.wire.reaches(there.owner, this.owner));
    const lost = this.prng.chance(this.wire.options.controlLossChance) || cut;
    if (lost) this.wire.counters.controlLost++;
    return lost;
  }

  private delay(): number {
    return this.wire.drawDelay(this.prng);
  }
}

function unavailable(message: string): ControlFailure {
  return { code: 'UNAVAILABLE', message };
}
