/**
 * One sample of everything that state machines and nodes write: what test/golden/state-v1.json and meta-v5.json were
 * made from.
 */
import { ByteWriter } from '../../../src/base/index.js';
import {
  beginCommand,
  createKv,
  encodeReap,
  KvError,
  Op,
  putArray,
  putBigInt,
  putBytes,
  putError,
  putFailed,
  putInt,
  putText,
  type Kv,
} from '../../../src/kv/index.js';
import {
  encodeBootstrap,
  encodeRaise,
  encodeReport,
  encodeSetting,
  encodeShares,
  encodeUpsertNode,
  firstMembers,
  MetaMachine,
  type MetaState,
} from '../../../src/meta/index.js';
import type { StateMachine } from '../../../src/ports/index.js';
import {
  encodeMembership,
  encodeNumber,
  encodeText,
  VALUE_BOOT,
  VALUE_INSTANCE,
  VALUE_MEMBER,
} from '../../../src/node/stored.js';
import { cmd, encodeEntry } from '../kv/kv-driver.js';

export type Sample = string | string[];

const FIRST_MS = 1_700_000_000_000;
const LATER_MS = FIRST_MS + 5000;
const OPTIONS = { hashSeed: 2 ** 45 + 99, valueBytesMax: 1024, firstSlot: 100, lastSlot: 200 };

export const META_STATE: MetaState = {
  clusterId: 'cluster-a',
  clusterVersion: 2,
  mapVersion: 2 ** 33 + 4,
  nextNodeId: 3,
  replicas: 2,
  nodes: [
    { id: 1, instanceId: 'one', addresses: addresses('a'), state: 'up', versions: { min: 1, max: 2 } },
    { id: 2, instanceId: 'two', addresses: addresses('b'), state: 'draining', versions: { min: 2, max: 3 } },
  ],
  shards: [
    {
      id: 1,
      firstSlot: 0,
      lastSlot: 16383,
      born: 1,
      configurationVersion: 5,
      highestId: 7,
      replicas: [
        { replica: 1, node: 1, isLearner: false },
        { replica: 7, node: 2, isLearner: true },
      ],
    },
  ],
  metaGroup: firstMembers([{ replica: 3, node: 1 }]),
  settings: [],
  shares: [],
};

export const MEMBERSHIP = { clusterId: 'cluster-a', nodeId: 2, state: META_STATE };
export const BOOT_NUMBER = 2 ** 34 + 1;

function addresses(host: string): MetaState['nodes'][number]['addresses'] {
  return { grpc: `${host}:1`, peer: `${host}:2`, resp: `${host}:3`, respMoved: `${host}:4`, http: '' };
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function written(write: (w: ByteWriter) => void): Uint8Array {
  const w = new ByteWriter();
  write(w);
  return w.take();
}

/** Two entries with a command of every op; the second one reaps. */
function kvEntries(): [Uint8Array, Uint8Array] {
  const keys = ['a', 'missing'];
  const first = encodeEntry(FIRST_MS, [
    cmd.set('a', 'old'),
    cmd.flush(),
    cmd.set('a', '5', { flags: 5, pxAt: FIRST_MS + 60_000 }),
    cmd.mset([
      ['b', 'bee'],
      ['c', ''],
    ]),
    cmd.set('due', 'soon gone', { px: 1000 }),
    cmd.incrby('a', -7n),
    cmd.expire('b', { flags: 1, px: 90_000 }),
    cmd.expire('a', { pxAt: FIRST_MS + 70_000 }),
    cmd.persist('a'),
    cmd.many(Op.del, ['c', 'missing']),
    cmd.get('a'),
    cmd.many(Op.exists, keys),
    cmd.many(Op.mget, keys),
    cmd.ttl('b'),
    cmd.type('a'),
    cmd.incrby('b', 1n),
    written((w) => beginCommand(w, Op.dbsize)),
  ]);
  const kv = makeKv();
  kv.apply(1, 1, first, null);
  const reap = written((w) => encodeReap(w, kv.dueForReap(LATER_MS, 10)));
  return [first, encodeEntry(LATER_MS, [reap])];
}

/** A command of every kind, one that is refused, and one that is none. */
function metaEntry(): Uint8Array {
  const replicas = [{ replica: 9, node: 2, isLearner: false }];
  return encodeEntry(FIRST_MS, [
    encodeBootstrap(META_STATE),
    encodeUpsertNode('three', addresses('c'), { min: 2, max: 3 }),
    encodeUpsertNode('one', addresses('d'), { min: 1, max: 2 }),
    encodeReport(1, { configurationVersion: 6, highestId: 9, replicas }),
    encodeSetting('eviction.policy', 'lru'),
    encodeShares(META_STATE.mapVersion + 4, [{ group: 1, bytesMax: 2 ** 40, itemsMax: 5 }]),
    encodeRaise(3),
    encodeUpsertNode('one', addresses('d'), { min: 1, max: 3 }),
    encodeRaise(3),
    Uint8Array.of(99),
  ]);
}

export function makeKv(): Kv {
  return createKv(OPTIONS);
}

export function makeMeta(): MetaMachine {
  return new MetaMachine(() => undefined);
}

/** Applies the entries; the results of their commands. */
export function resultsOf(machine: StateMachine, entries: readonly Uint8Array[]): string[] {
  const results: string[] = [];
  entries.forEach((entry, i) =>
    machine.apply(i + 1, 1, entry, {
      onResult: (_position, bytes, start, end) => void results.push(hex(bytes.slice(start, end))),
    }),
  );
  return results;
}

/** One item a chunk, and sorted behind the header: the order of items is no part of the format. */
export function snapshotOf(machine: StateMachine): string[] {
  const source = machine.snapshot();
  const chunks: string[] = [];
  for (let chunk = source.next(1); chunk !== null; chunk = source.next(1)) chunks.push(hex(chunk));
  return [...chunks.slice(0, 1), ...chunks.slice(1).sort()];
}

function otherResults(): Uint8Array {
  return written((w) => {
    putArray(w, 5);
    putInt(w, 2 ** 40);
    putBigInt(w, -(2n ** 63n));
    putBytes(w, Uint8Array.of(1, 2));
    putText(w, 'none');
    putError(w, KvError.wrongType);
    putFailed(w, 'NOT_LEADER', 'ask node 2', 2);
  });
}

/** Everything of group 0 that is pinned, by name. */
export function makeMetaSamples(): Record<string, Sample> {
  const meta = makeMeta();
  const metaResults = resultsOf(meta, [metaEntry()]);
  return {
    'meta entry': hex(metaEntry()),
    'meta results': metaResults,
    'meta snapshot': snapshotOf(meta),
    'meta state hash': meta.stateHash(),
    [VALUE_MEMBER]: hex(encodeMembership(MEMBERSHIP)),
  };
}

/** Everything else that is pinned, by name. */
export function makeSamples(): Record<string, Sample> {
  const kv = makeKv();
  const entries = kvEntries();
  const kvResults = resultsOf(kv, entries);
  return {
    'kv entries': entries.map(hex),
    'kv results': kvResults,
    'kv snapshot': snapshotOf(kv),
    'kv state hash': kv.stateHash(),
    'other results': hex(otherResults()),
    [VALUE_INSTANCE]: hex(encodeText('instance-a')),
    [VALUE_BOOT]: hex(encodeNumber(BOOT_NUMBER)),
  };
}
