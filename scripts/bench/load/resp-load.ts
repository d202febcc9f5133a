/**
 * RESP load in a process of its own. Every client is one connection to one node and, with the slot map, uses only keys
 * whose slot that node serves: what a cluster client's connection carries.
 *
 * - closed loop (`perSecond` 0): a client sends `pipeline` commands, waits for all answers, sends the next;
 * - paced: `perSecond` commands a second are due at even distances, whatever the answers do. Latency counts from when a
 *   command was due, so a server that stalls is charged for everything that waited. They leave once a millisecond,
 *   which adds up to about a millisecond of our own;
 * - `fill`: every key is written once, and the run ends.
 */
import net from 'node:net';

import { slotOfKey } from '../../../src/topology/index.js';
import { Meter, readConfig, untilAnswered } from './meter.js';
import type { Timing } from './meter.js';
import { keyName } from './random.js';
import { RespConnection } from './resp-connection.js';
import { parseReply, slotOwners } from './resp-values.js';

export interface RespLoadConfig extends Timing {
  /** With `slotMap` the first is asked for the map; else clients are spread over them. */
  readonly addresses: readonly string[];
  readonly slotMap: boolean;
  readonly mode: 'writes' | 'reads' | 'fill';
  readonly clients: number;
  readonly pipeline: number;
  /** 0: closed loop. */
  readonly perSecond: number;
  readonly keys: number;
  readonly valueBytes: number;
}

const TICK_MS = 1;
/** A paced run stops sending when this much is unanswered: the server is far behind, and memory has an end. */
const OPEN_MAX = 100_000;

interface Target {
  readonly address: string;
  readonly keys: Uint32Array;
}

const config = readConfig<RespLoadConfig>();
const meter = new Meter(config);
const targets = await findTargets();
const connections = Array.from({ length: config.clients }, (_, i) => {
  const { address, keys } = targets[i % targets.length] as Target;
  return new RespConnection(address, i, keys, config.mode === 'reads', config.valueBytes, meter, fail);
});
const openCount = (): number => connections.reduce((sum, connection) => sum + connection.openCount, 0);

if (config.mode === 'fill') await fill();
else await drive();
meter.print();
connections.forEach((connection) => connection.close());

async function drive(): Promise<void> {
  const over = meter.run();
  if (config.perSecond > 0) pace();
  else for (const connection of connections) keepBusy(connection);
  await over;
  await untilAnswered(openCount);
}

function keepBusy(connection: RespConnection): void {
  const next = (): void => {
    if (meter.isRunning) connection.send(config.pipeline, performance.now());
  };
  connection.onIdle = next;
  next();
}

function pace(): void {
  const startedMs = performance.now();
  const betweenMs = 1000 / config.perSecond;
  let sent = 0;
  let turn = 0;
  const tick = (): void => {
    if (!meter.isRunning) return;
    const due = Math.floor((performance.now() - startedMs) / betweenMs) - sent;
    if (due > 0 && openCount() + due > OPEN_MAX) meter.isBehind = true;
    else if (due > 0) {
      const each = Math.max(1, Math.ceil(due / connections.length));
      for (let left = due; left > 0; left -= each) {
        const count = Math.min(each, left);
        (connections[turn++ % connections.length] as RespConnection).send(
          count,
          startedMs + sent * betweenMs,
          betweenMs,
        );
        sent += count;
      }
    }
    setTimeout(tick, TICK_MS);
  };
  tick();
}

/** The connections of a node share its keys, a stretch each. */
async function fill(): Promise<void> {
  meter.open();
  await Promise.all(
    connections.map((connection, i) => {
      const node = i % targets.length;
      const { keys } = targets[node] as Target;
      const sharing = Math.ceil((connections.length - node) / targets.length);
      const place = Math.floor(i / targets.length);
      const end = Math.floor(((place + 1) * keys.length) / sharing);
      let at = Math.floor((place * keys.length) / sharing);
      return new Promise<void>((resolve) => {
        const next = (): void => {
          if (at >= end) {
            resolve();
            return;
          }
          const count = Math.min(config.pipeline, end - at);
          connection.sendInOrder(count, at, performance.now());
          at += count;
        };
        connection.onIdle = next;
        next();
      });
    }),
  );
  meter.close();
}

/** Who is sent what. With fewer clients than nodes, some nodes get none. */
async function findTargets(): Promise<Target[]> {
  const all = Uint32Array.from({ length: config.keys }, (_, i) => i);
  if (!config.slotMap) {
    const count = Math.min(config.addresses.length, config.clients);
    // A fill must write each key once: the nodes share the keys. Otherwise each may be asked for any.
    return config.addresses.slice(0, count).map((address, node) => ({
      address,
      keys: config.mode === 'fill' ? all.filter((key) => key % count === node) : all,
    }));
  }
  const { addresses, ownerOf } = await askForMap();
  const owned: number[][] = addresses.map(() => []);
  for (const key of all) owned[ownerOf[slotOfKey(Buffer.from(keyName(key)))] as number]?.push(key);
  return addresses
    .map((address, node) => ({ address, keys: Uint32Array.from(owned[node] ?? []) }))
    .filter((target) => target.keys.length > 0);
}

/** During an election a shard's slots have no owner for a moment; so the map is asked for again, for ten seconds. */
async function askForMap(): Promise<ReturnType<typeof slotOwners>> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    const answer = await ask(config.addresses[0] ?? '', ['CLUSTER', 'SLOTS']);
    try {
      return slotOwners(answer);
    } catch (error) {
      if (performance.now() > endMs) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function ask(address: string, words: readonly string[]): Promise<ReturnType<typeof slotsOf>> {
  const colon = address.lastIndexOf(':');
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
    let text = '';
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      try {
        const slots = slotsOf(text);
        if (slots === null) return;
        resolve(slots);
      } catch (error) {
        reject(error as Error);
      }
      socket.destroy();
    });
    socket.write(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`);
  });
}

function slotsOf(text: string): NonNullable<ReturnType<typeof parseReply>>['value'] | null {
  return parseReply(text)?.value ?? null;
}

function fail(why: string): void {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}
