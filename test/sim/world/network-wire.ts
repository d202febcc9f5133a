/** What all kinds of simulated traffic share: options, counters, and the wire as they see it. */
import type { NodeId, Prng } from '../../../src/base/index.js';
import type { Owner, SimLoop } from './loop.js';

export interface SimNetworkOptions {
  /** Shortest and longest way of a frame, a stream's piece, a control call. */
  readonly delayMs: readonly [number, number];
  /** Chance that a raft frame is lost. Raft frames only: what TCP itself would not do is done to the channel that must bear it. */
  readonly loss: number;
  readonly duplicate: number;
  /** Chance that a raft frame may overtake, and be overtaken; it then takes up to `reorderMs` longer. */
  readonly reorder: number;
  readonly reorderMs: number;
  /** Chance per frame that a `forward` or `bulk` link breaks under it. */
  readonly resetChance: number;
  /** Chance per piece that a client's stream breaks. */
  readonly streamResetChance: number;
  /** Chance that a control call's request or answer is lost. */
  readonly controlLossChance: number;
  /** A client's bytes are cut into at most this many pieces for each write. */
  readonly piecesMax: number;
  readonly keepAliveMs: number;
  /** How long a silent link is believed in. */
  readonly idleMs: number;
  readonly dialTimeoutMs: number;
}

/** What may change while a run goes on. */
export type SimQuality = Partial<
  Pick<SimNetworkOptions, 'delayMs' | 'loss' | 'duplicate' | 'reorder' | 'resetChance'>
>;

export const DEFAULT_SIM_NETWORK_OPTIONS: SimNetworkOptions = {
  delayMs: [0.1, 2],
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderMs: 20,
  resetChance: 0,
  streamResetChance: 0,
  controlLossChance: 0,
  piecesMax: 3,
  keepAliveMs: 100,
  idleMs: 5000,
  dialTimeoutMs: 2000,
};

export class SimNetworkCounters {
  framesSent = 0;
  framesDelivered = 0;
  framesDropped = 0;
  framesDuplicated = 0;
  bytesDelivered = 0;
  linksUp = 0;
  linksBroken = 0;
  handshakesRefused = 0;
  /** Frames of a life of a node that had ended. */
  framesStale = 0;
  streamsOpened = 0;
  streamsReset = 0;
  controlCalls = 0;
  controlLost = 0;
  partitions = 0;
  heals = 0;
}

/** What kinds of traffic see of the network. */
export interface SimWire {
  readonly loop: SimLoop;
  readonly options: SimNetworkOptions;
  readonly counters: SimNetworkCounters;
  /** Whether what this owner sends reaches that one. */
  reaches(from: Owner, to: Owner): boolean;
  /** A delay on the way, drawn from the caller's generator. */
  drawDelay(prng: Prng): number;
  /** Takes an address for a listener; null when it is in use. */
  bind(address: string, listener: SimListener): string | null;
  release(address: string): void;
  listenerAt(address: string): SimListener | undefined;
  /** Tells which node an owner turned out to be. */
  setNode(owner: Owner, node: NodeId): void;
}

export interface SimListener {
  readonly owner: Owner;
  readonly kind: 'peer' | 'stream' | 'control' | 'http';
}

/** An address in use, as the real adapters tell it. */
export function addressInUse(address: string): Error {
  return Object.assign(new Error(`listen EADDRINUSE: address already in use ${address}`), {
    code: 'EADDRINUSE',
  });
}
