/**
 * `npm run bench:hitrate`: how often a cache of some size hits, beside lru-cache and Redis on the same streams of keys,
 * and beside the best that any fixed choice of keys could do. docs/benchmarks.md tells the method.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { Children, hasTool } from './children.js';
import { NpmLruCache, QuorateCache, ShardedCache, type Cache } from './hitrate/caches.js';
import { runLeaderChange, TOUCHES_PER_SECOND } from './hitrate/leader-change.js';
import { HITRATE_HELP, parseHitrateOptions, type HitrateOptions } from './hitrate/options.js';
import { RedisCache } from './hitrate/redis-cache.js';
import { cellLine, HEAD, judge, type Cell, type Rate } from './hitrate/report.js';
import { STREAM_KINDS, type Stream, type StreamKind } from './hitrate/streams.js';

const SEED = 20_26;
const CHUNK = 65_536;
const SHARDS = 4;
const LEADER_PER_SECOND = 2000;
const LEADER_LOSS_MAX = 2;
const ENDED_BY_SIGNAL = 130;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

process.exitCode = await main();

async function main(): Promise<number> {
  const parsed = parseHitrateOptions(process.argv.slice(2));
  if (!parsed.ok) {
    process.stderr.write(`${parsed.problem}\n`);
    return 2;
  }
  const { options } = parsed;
  if (options.help) {
    say(HITRATE_HELP);
    return 0;
  }
  const children = new Children();
  const folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-hitrate-'));
  const end = (): void => {
    children.killAll();
    rmSync(folder, { recursive: true, force: true });
    process.exit(ENDED_BY_SIGNAL);
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  try {
    return await measure(options, children, folder);
  } finally {
    await children.endAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(options: HitrateOptions, children: Children, folder: string): Promise<number> {
  const { keys, requests } = options;
  const hasRedis = options.redis && hasTool('redis-server');
  say(`${keys} keys; ${requests} requests to warm up, then ${requests} that count; seed ${SEED}`);
  if (options.redis && !hasRedis) say('redis-server is not installed: its columns stay empty');
  say(`\n${HEAD}`);
  const cells: Cell[] = [];
  for (const kind of STREAM_KINDS) {
    if (!isAsked(options.only, kind.name)) continue;
    for (const share of options.shares) {
      const room = Math.round((keys * share) / 100);
      const cell = await measureCell(options, kind, share, room, () =>
        hasRedis ? redisCaches(children, folder, room) : [],
      );
      cells.push(cell);
      say(cellLine(cell));
    }
  }
  const leaders = isAsked(options.only, 'leaders') ? leaderChange(options) : null;
  if (options.jsonFile !== '')
    writeFileSync(options.jsonFile, `${JSON.stringify({ options, cells, leaders }, null, 1)}\n`);
  const missed = cells.filter((cell) => judge(cell).missed.length > 0).length;
  say(`\n${cells.length - missed} of ${cells.length} cells reached`);
  return 0;
}

function isAsked(only: readonly string[], name: string): boolean {
  return only.length === 0 || only.some((word) => name.includes(word));
}

type Opener = () => Promise<Cache>;

function redisCaches(children: Children, folder: string, room: number): Opener[] {
  return [
    () => RedisCache.start(children, folder, 'allkeys-lru', room),
    () => RedisCache.start(children, folder, 'allkeys-lfu', room),
  ];
}

/** The caches take their turn with the same stream. */
async function measureCell(
  options: HitrateOptions,
  kind: StreamKind,
  share: number,
  room: number,
  redis: () => Opener[],
): Promise<Cell> {
  const openers: Opener[] = [
    () => Promise.resolve(new QuorateCache('s3fifo', room, SEED)),
    () => Promise.resolve(new ShardedCache(SHARDS, room, SEED)),
    () => Promise.resolve(new QuorateCache('lru', room, SEED)),
    () => Promise.resolve(new NpmLruCache(room)),
    ...redis(),
  ];
  const stream = kind.create(options.keys, room, SEED);
  const warm = draw(stream, options.requests);
  stream.begin?.();
  const counted = draw(stream, options.requests);
  const { optimum } = stream;
  const rates: Rate[] = [];
  for (const open of openers) {
    const cache = await open();
    if (!isAsked(options.caches, cache.name)) {
      await cache.close();
      continue;
    }
    await ask(cache, warm);
    if (cache instanceof RedisCache) cache.settle();
    const hits = await ask(cache, counted);
    rates.push({
      name: cache.name,
      percent: (100 * hits) / options.requests,
      items: await cache.size(),
    });
    await cache.close();
  }
  return { stream: kind.name, share, room, optimum, gapMax: kind.gapMax, rates };
}

/** Drawn once, for all caches. */
function draw(stream: Stream, count: number): Uint32Array {
  const keys = new Uint32Array(count);
  for (let i = 0; i < count; i++) keys[i] = stream.next();
  return keys;
}

async function ask(cache: Cache, keys: Uint32Array): Promise<number> {
  let hits = 0;
  for (let at = 0; at < keys.length; at += CHUNK) {
    const chunk = keys.subarray(at, at + CHUNK);
    hits += await cache.ask(chunk, chunk.length);
  }
  return hits;
}

function leaderChange(options: HitrateOptions): unknown {
  const room = Math.round(options.keys / 10);
  const kind = STREAM_KINDS.find(({ name }) => name === 'zipf 1.1') as StreamKind;
  const minutes = Math.max(2, Math.round(options.requests / (2 * 60 * LEADER_PER_SECOND)));
  const result = runLeaderChange(
    () => kind.create(options.keys, room, SEED),
    room,
    LEADER_PER_SECOND,
    2 * minutes,
    minutes,
  );
  const loss = result.steadyPercent - result.movedPercent;
  const verdict = loss <= LEADER_LOSS_MAX ? 'reached' : `missed by ${(loss - LEADER_LOSS_MAX).toFixed(2)}`;
  say(
    `\nthe leader moves each minute (${kind.name}, 10 %, ${LEADER_PER_SECOND} requests/s, ` +
      `${TOUCHES_PER_SECOND} touches/s, ${minutes} changes): ${result.movedPercent.toFixed(2)} %, with one that ` +
      `stays ${result.steadyPercent.toFixed(2)} %: ${loss.toFixed(2)} points lost, ${LEADER_LOSS_MAX} allowed: ${verdict}`,
  );
  return { ...result, minutes, perSecond: LEADER_PER_SECOND, verdict };
}
