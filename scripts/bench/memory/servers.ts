/** Whole servers: a Quorate node and redis-server, filled over RESP, and what their processes take then. */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePorts } from '../bench-context.js';
import type { BenchContext } from '../bench-context.js';
import { until } from '../children.js';
import { isListening } from '../systems/listening.js';
import { startSingle } from '../systems/quorate.js';
import { KEY_BYTES, overheadBytes, VALUE_BYTES, writeKey } from './cases.js';

const BATCH_KEYS = 1000;
/** A server settles, and an idle node tidies up, before it is measured. */
const SETTLE_MS = 5000;

/** Bytes a key over key and value of one node with one replica of 16 shards: its log, buffers and all. */
export async function measureNode(context: BenchContext, folder: string, keys: number): Promise<number> {
  const node = await startSingle(context, folder, 16);
  return measure(node.forwardPorts[0] as number, node.pids[0] as number, keys).finally(() => node.stop());
}

export async function measureRedis(context: BenchContext, folder: string, keys: number): Promise<number> {
  const [port = 0] = await freePorts(1);
  const words = [
    'redis-server',
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
  ];
  const child = context.children.start('redis-server', words, path.join(folder, 'redis.log'), folder);
  await until(() => isListening(port), 'redis-server listens', 20_000);
  return measure(port, child.pid, keys).finally(() => child.stop());
}

async function measure(port: number, pid: number, keys: number): Promise<number> {
  await fill(port, Math.min(keys, BATCH_KEYS)); // connections and code, not keys
  await sleep(SETTLE_MS);
  const before = residentBytesOf(pid);
  await fill(port, keys);
  await sleep(SETTLE_MS);
  return overheadBytes(residentBytesOf(pid) - before, keys);
}

function residentBytesOf(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}

/** SET of keys 0 to `keys`, a batch at a time. */
function fill(port: number, keys: number): Promise<void> {
  const head = Buffer.from(`*3\r\n$3\r\nSET\r\n$${KEY_BYTES}\r\n`);
  const tail = Buffer.from(`\r\n$${VALUE_BYTES}\r\n${'x'.repeat(VALUE_BYTES)}\r\n`);
  const key = new Uint8Array(KEY_BYTES);
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let sent = 0;
    let left = 0;
    const next = (): void => {
      if (sent === keys) return void socket.end(resolve);
      const count = Math.min(BATCH_KEYS, keys - sent);
      const parts: Buffer[] = [];
      for (let i = 0; i < count; i++) {
        writeKey(key, sent++);
        parts.push(head, Buffer.from(key), tail);
      }
      left = count * '+OK\r\n'.length;
      socket.write(Buffer.concat(parts));
    };
    socket.on('connect', next);
    socket.on('data', (bytes) => {
      if (bytes.includes('-')) return void socket.destroy(new Error(bytes.toString('latin1').slice(0, 200)));
      left -= bytes.length;
      if (left === 0) next();
    });
    socket.on('error', reject);
  });
}
