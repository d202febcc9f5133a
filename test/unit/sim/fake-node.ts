/**
 * A node that is no node: RESP over one Map that all machines share, so that it is linearizable by construction.
 * With it the simulator proves itself: clients, faults, history and checkers must find nothing wrong with it, and
 * must find each of the lies that it can be told to tell.
 */
import { refuseUninitialised } from '../../../src/api/index.js';
import { Prng } from '../../../src/base/index.js';
import type { Node, NodePorts, NodeStatus } from '../../../src/node/api.js';
import type { ByteStream, CloseListener, ControlMethods } from '../../../src/ports/index.js';
import type { Configuration } from '../../../src/raft/index.js';
import type { NodeSettings } from '../../../src/settings/index.js';
import type { CreateSimNode } from '../../sim/world/cluster.js';

export const LIES = [
  'stale_read',
  'lost_write',
  'double_increment',
  'early_expiry',
  'second_leader',
  'other_state',
] as const;
export type Lie = (typeof LIES)[number];

/** How often a node lies when it could. */
const LIE_CHANCE = 0.03;
const GROUP = 1;
/** Nodes from here on hold none, as in a cluster that is larger than its groups. */
const REPLICAS = 3;

/** Node N has replica N of every group. */
const CONFIGURATION: Configuration = {
  version: 1,
  highestId: REPLICAS,
  voters: [1, 2, 3],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
  homes: [1, 2, 3].map((node) => ({ replica: node, node })),
};

interface Cell {
  readonly value: string;
  readonly expiresMs: number;
}

/** What all fake machines of a run share. */
class Database {
  readonly cells = new Map<string, Cell>();
  readonly previous = new Map<string, string>();
  readonly prng = new Prng(1);
  founded = false;
  shards = 0;
  index = 0;
}

export function fakeNodes(lie: Lie | null): CreateSimNode {
  let database = new Database();
  return (ports, settings) => {
    // The first machine's first life begins a new run.
    if (settings.grpc === 'n1:7600' && database.founded && ports.clock.wallMs() % 1e9 < 5)
      database = new Database();
    return new FakeNode(ports, settings, database, lie);
  };
}

class FakeNode implements Node {
  private readonly nodeId: number;
  private readonly closers: CloseListener[] = [];

  constructor(
    private readonly ports: NodePorts,
    private readonly settings: NodeSettings,
    private readonly database: Database,
    private readonly lie: Lie | null,
  ) {
    this.nodeId = Number(/^n(\d+):/.exec(settings.grpc)?.[1]);
  }

  start(done: (error: Error | null) => void): void {
    const { ports, settings, database } = this;
    ports.streams.listen(
      settings.resp[0]?.address ?? '',
      (stream) => ({
        onData: (bytes) => this.onData(stream, bytes),
        onDrain: () => undefined,
        onClose: () => this.inputs.delete(stream.id),
      }),
      (error, _bound, close) => {
        this.closers.push(close);
        done(error);
      },
    );
    ports.rpcServer.listen(
      settings.grpc,
      {
        control: (method, request, reply) => {
          if (method === 'verify') {
            // One map for all: there is nothing to compare.
            const { group } = request as ControlMethods['verify']['request'];
            return reply(null, { group, index: 1, differsFrom: 0, replicas: [] } as never);
          }
          if (method !== 'init') return reply({ code: 'UNAVAILABLE', message: method }, null);
          database.founded = true;
          database.shards = (request as ControlMethods['init']['request']).shards;
          this.tellRole();
          reply({ code: 'ALREADY_INITIALISED', message: 'done' }, null);
        },
        cache: refuseUninitialised(),
        ready: () => database.founded,
      },
      (_error, _bound, close) => this.closers.push(close),
    );
    if (database.founded) this.tellRole();
  }

  stop(done: () => void): void {
    for (const close of this.closers) close(() => undefined);
    this.ports.timers.after(5, done);
  }

  /** It has none. */
  feed(): null {
    return null;
  }

  status(): NodeStatus {
    const { founded, shards, index } = this.database;
    const replicas = Array.from({ length: shards + 1 }, (_, group) => ({
      group,
      replica: this.nodeId,
      role: this.nodeId === 1 ? 'leader' : 'follower',
      term: 1,
      leaderNode: 1,
      commit: index,
      applied: index,
      lastIndex: index,
      firstIndex: 1,
      hash: 'same',
      suspect: null,
      snapshotsOut: [],
      snapshotIn: null,
      configuration: CONFIGURATION,
      quiesced: true,
    }));
    return {
      nodeId: founded ? this.nodeId : 0,
      clusterId: founded ? 'fake' : '',
      ready: founded,
      missing: [],
      replicas: founded && this.nodeId <= REPLICAS ? replicas : [],
      snapshotsInstalled: 0,
      checkpointsWritten: 1,
    };
  }

  private tellRole(): void {
    const leads = this.nodeId === 1 || (this.lie === 'second_leader' && this.nodeId === 2);
    this.ports.observer?.onRole(this.nodeId, GROUP, this.nodeId, leads ? 'leader' : 'follower', 1);
  }

  // ---- RESP: requests arrive whole or in pieces, and are answered in order -----------------------------------------

  private readonly inputs = new Map<number, string>();

  private onData(stream: ByteStream, bytes: Uint8Array): void {
    let input = (this.inputs.get(stream.id) ?? '') + Buffer.from(bytes).toString('latin1');
    for (;;) {
      const request = takeRequest(input);
      if (request === null) break;
      input = input.slice(request.length);
      const reply = Buffer.from(this.run(request.parts));
      this.ports.timers.after(1, () => stream.write(reply));
    }
    this.inputs.set(stream.id, input);
  }

  private run(parts: readonly string[]): string {
    const [name = '', key = '', value = ''] = parts;
    const now = this.ports.clock.wallMs();
    const { cells, previous } = this.database;
    const cell = cells.get(key);
    const early = this.lies('early_expiry') ? 900 : 0;
    const current = cell !== undefined && now < cell.expiresMs - early ? cell.value : null;
    // What one node saw as gone must be gone for the others, whose clocks differ.
    if (current === null) cells.delete(key);
    const write = (next: string | null, expiresMs = Infinity): void => {
      previous.set(key, current ?? 'none');
      if (next === null) cells.delete(key);
      else cells.set(key, { value: next, expiresMs });
      this.tellApplied(next ?? '');
    };
    switch (name) {
      case 'PING':
        return '+PONG\r\n';
      case 'GET': {
        const seen = this.lies('stale_read') ? (previous.get(key) ?? 'none') : current;
        return seen === null || seen === 'none' ? '$-1\r\n' : `$${seen.length}\r\n${seen}\r\n`;
      }
      case 'SET': {
        if (parts.includes('NX') && current !== null) return '$-1\r\n';
        const ttl = parts.indexOf('PX');
        if (this.lies('lost_write')) this.tellApplied(value);
        else write(value, ttl < 0 ? Infinity : now + Number(parts[ttl + 1]));
        return '+OK\r\n';
      }
      case 'DEL':
        write(null);
        return `:${current === null ? 0 : 1}\r\n`;
      case 'INCR':
        write(String(Number(current ?? '0') + (this.lies('double_increment') ? 2 : 1)));
        return `:${cells.get(key)?.value ?? ''}\r\n`;
      default:
        return `-ERR unknown command ${name}\r\n`;
    }
  }

  private lies(lie: Lie): boolean {
    return this.lie === lie && this.database.prng.chance(LIE_CHANCE);
  }

  private tellApplied(value: string): void {
    const { observer } = this.ports;
    const index = ++this.database.index;
    const entry = { index, term: 1, data: Buffer.from(value) };
    // One replica writes for all; the other nodes' word on the state comes late and only about the hash.
    observer?.onAppend(1, GROUP, 1, [entry]);
    observer?.onCommit(1, GROUP, 1, index, 1);
    observer?.onApply(1, GROUP, 1, entry, () => `state ${index}`);
    if (this.lies('other_state')) observer?.onApply(2, GROUP, 2, entry, () => 'another state');
  }
}

function takeRequest(input: string): { parts: string[]; length: number } | null {
  const head = /^\*(\d+)\r\n/.exec(input);
  if (head === null) return null;
  let at = head[0].length;
  const parts: string[] = [];
  for (let i = 0; i < Number(head[1]); i++) {
    const size = /^\$(\d+)\r\n/.exec(input.slice(at));
    if (size === null) return null;
    at += size[0].length;
    const count = Number(size[1]);
    if (input.length < at + count + 2) return null;
    parts.push(input.slice(at, at + count));
    at += count + 2;
  }
  return { parts, length: at };
}
