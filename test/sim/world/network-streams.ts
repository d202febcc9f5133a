/**
 * Simulated client streams: in order, each write cut into pieces at random places, each piece after a delay. A paused
 * side holds back what arrives, so that the writer's `bufferedBytes` grows, as a slow reader makes it. A stream ends
 * by `end` (after what was written arrived), `destroy`, a random reset, or the death of either process. While a side
 * is cut off, everything on its way waits, the news of an end too: TCP would send it again.
 */
import type { Prng } from '../../../src/base/index.js';
import type { ByteStream, CloseListener, StreamHandler, StreamListeners } from '../../../src/ports/index.js';
import type { Owner } from './loop.js';
import { addressInUse, type SimListener, type SimWire } from './network-wire.js';

/** Past it `write` answers false, as a socket does. */
const WRITE_MARK_BYTES = 64 * 1024;

/** This share of writes is cut into pieces: enough to find who cannot bear it, and each piece costs a run its time. */
const CUT_CHANCE = 0.25;

class StreamListener implements SimListener {
  readonly kind = 'stream';
  constructor(
    readonly owner: Owner,
    readonly accept: (stream: ByteStream) => StreamHandler,
  ) {}
}

interface Arrival {
  readonly from: Owner;
  readonly to: Owner;
  readonly run: () => void;
}

export class SimStreamWorld {
  private nextId = 1;
  private readonly open = new Set<SimStream>();
  /** What arrived at a side that is cut off, in order. */
  private stuck: Arrival[] = [];

  constructor(
    readonly wire: SimWire,
    readonly prng: Prng,
  ) {}

  listeners(owner: Owner): StreamListeners {
    return {
      listen: (address, accept, done) => {
        const bound = this.wire.bind(address, new StreamListener(owner, accept));
        this.wire.loop.schedule(owner, 0, () => {
          if (bound === null) done(addressInUse(address), '', closeNothing);
          else done(null, bound, this.closer(owner, bound));
        });
      },
    };
  }

  connect(owner: Owner, address: string, handler: StreamHandler): ByteStream {
    const client = new SimStream(this, owner, this.nextId++, address);
    client.handler = handler;
    this.open.add(client);
    this.wire.loop.schedule(owner, this.delay(), () => {
      if (client.closed) return;
      const listener = this.wire.listenerAt(address);
      const there = listener instanceof StreamListener && !this.wire.loop.isDead(listener.owner);
      // Where nobody listens the answer comes at once; where nothing gets through, there is none.
      if (!this.wire.reaches(owner, there ? listener.owner : owner)) return;
      if (there) this.accept(client, listener);
      else client.close();
    });
    return client;
  }

  ownerDown(owner: Owner): void {
    for (const stream of [...this.open]) if (stream.owner === owner) stream.vanish();
  }

  /** Runs `run` there after the delay, or when it is no longer cut off. */
  carry(from: Owner, to: Owner, delayMs: number, run: () => void): void {
    this.wire.loop.schedule(to, delayMs, () => {
      if (this.wire.reaches(from, to)) run();
      else this.stuck.push({ from, to, run });
    });
  }

  /** A client is no longer cut off: some of its streams broke, on the others goes on what waited. */
  onShow(client: Owner, breakChance: number): void {
    for (const stream of [...this.open]) {
      if (stream.owner === client && this.prng.chance(breakChance)) stream.breakBoth();
    }
    const { stuck } = this;
    this.stuck = [];
    for (const arrival of stuck) {
      if (this.wire.loop.isDead(arrival.to)) continue;
      if (this.wire.loop.isPaused(arrival.to)) this.wire.loop.hold(arrival.to, arrival.run);
      else if (this.wire.reaches(arrival.from, arrival.to)) arrival.run();
      else this.stuck.push(arrival);
    }
  }

  delay(): number {
    return this.wire.drawDelay(this.prng);
  }

  forget(stream: SimStream): void {
    this.open.delete(stream);
  }

  private accept(client: SimStream, listener: StreamListener): void {
    const id = this.nextId++;
    const server = new SimStream(this, listener.owner, id, `sim:${10_000 + id}`);
    this.open.add(server);
    client.peer = server;
    server.peer = client;
    this.wire.counters.streamsOpened++;
    this.wire.loop.note(`stream ${client.owner}>${listener.owner}`);
    this.wire.loop.schedule(listener.owner, 0, () => {
      if (server.closed) return;
      server.handler = listener.accept(server);
      client.flush();
    });
  }

  private closer(owner: Owner, bound: string): CloseListener {
    return (done) => {
      this.wire.release(bound);
      this.wire.loop.schedule(owner, 0, done);
    };
  }
}

/** One side of a stream. */
class SimStream implements ByteStream {
  peer: SimStream | null = null;
  handler: StreamHandler | null = null;
  closed = false;
  private paused = false;
  private ending = false;
  private wantsDrain = false;
  private buffered = 0;
  /** When the last piece under way arrives. */
  private lastAtMs = 0;
  /** Written before the other side was there. */
  private early: Uint8Array[] = [];
  /** Arrived while this side was paused. */
  private held: Uint8Array[] = [];

  constructor(
    private readonly world: SimStreamWorld,
    readonly owner: Owner,
    readonly id: number,
    readonly remoteAddress: string,
  ) {}

  write(bytes: Uint8Array): boolean {
    if (this.closed || this.ending) return false;
    this.buffered += bytes.length;
    if (this.peer?.handler) this.cutAndSend(bytes);
    else this.early.push(bytes);
    if (this.buffered <= WRITE_MARK_BYTES) return true;
    this.wantsDrain = true;
    return false;
  }

  bufferedBytes(): number {
    return this.buffered;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.world.wire.loop.schedule(this.owner, 0, () => this.deliverHeld());
  }

  end(): void {
    if (this.closed || this.ending) return;
    this.ending = true;
    this.maybeFinish();
  }

  destroy(): void {
    if (this.closed) return;
    const { peer } = this;
    this.close();
    if (peer) this.world.carry(this.owner, peer.owner, this.world.delay(), () => peer.close());
  }

  /** The connection is lost for both sides. */
  breakBoth(): void {
    this.close();
    this.peer?.close();
  }

  /** The process is gone: nothing is told here, the other side sees the stream close. */
  vanish(): void {
    this.closed = true;
    this.world.forget(this);
    const { peer } = this;
    if (peer) this.world.carry(this.owner, peer.owner, this.world.delay(), () => peer.close());
  }

  /** `onClose`, soon; never from inside a call. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.held = [];
    this.early = [];
    this.buffered = 0;
    this.world.forget(this);
    this.world.wire.loop.note(`close ${this.owner} ${this.id}`);
    this.world.wire.loop.schedule(this.owner, 0, () => this.handler?.onClose());
  }

  /** The other side is there: sends what was written before. */
  flush(): void {
    const { early } = this;
    this.early = [];
    for (const bytes of early) this.cutAndSend(bytes);
    this.maybeFinish();
  }

  private cutAndSend(bytes: Uint8Array): void {
    const { prng, wire } = this.world;
    let at = 0;
    const pieces = prng.chance(CUT_CHANCE) ? 1 + prng.below(wire.options.piecesMax) : 1;
    for (let left = pieces; at < bytes.length; left--) {
      const end = left <= 1 ? bytes.length : at + 1 + prng.below(bytes.length - at);
      this.sendPiece(bytes.slice(at, end));
      at = end;
    }
  }

  private sendPiece(piece: Uint8Array): void {
    const { loop, options, counters } = this.world.wire;
    this.lastAtMs = Math.max(this.lastAtMs, loop.now() + this.world.delay());
    const reset = this.world.prng.chance(options.streamResetChance);
    const peer = this.peer as SimStream;
    this.world.carry(this.owner, peer.owner, this.lastAtMs - loop.now(), () => {
      if (reset && !peer.closed) {
        counters.streamsReset++;
        peer.close();
        loop.schedule(this.owner, this.world.delay(), () => this.close());
        return;
      }
      // What a process sent before it closed or died does not always arrive: here it never does.
      if (this.closed || peer.closed) return;
      if (peer.paused || peer.held.length > 0) peer.held.push(piece);
      else this.arrive(peer, piece);
    });
  }

  private arrive(peer: SimStream, piece: Uint8Array): void {
    const { loop } = this.world.wire;
    loop.note(`bytes ${this.owner}>${peer.owner} ${piece.length}`);
    this.buffered -= piece.length;
    peer.handler?.onData(piece);
    if (this.closed) return;
    if (this.buffered === 0 && this.wantsDrain) {
      this.wantsDrain = false;
      loop.schedule(this.owner, 0, () => {
        if (!this.closed) this.handler?.onDrain();
      });
    }
    this.maybeFinish();
  }

  private deliverHeld(): void {
    while (!this.paused && !this.closed) {
      const piece = this.held.shift();
      if (piece === undefined) return;
      this.peer?.arrive(this, piece);
    }
  }

  /** After `end`: closes both sides once everything arrived. */
  private maybeFinish(): void {
    if (!this.ending || this.closed || this.buffered > 0) return;
    this.destroy();
  }
}

function closeNothing(done: () => void): void {
  done();
}
