/** What tests read off a live node from outside: the memory of its process, and its figures. */
import { readFileSync } from 'node:fs';

import { isReady, createNodes, until } from './process-cluster.js';
import type { Sandbox, ServerNode } from './process-cluster.js';

const KIB = 1024;

/** A cluster of one that founded itself and serves. */
export async function startSingle(sandbox: Sandbox, extra: readonly string[] = []): Promise<ServerNode> {
  const [node] = await createNodes(sandbox, 1, ['--single', '--shards', '2', ...extra]);
  if (node === undefined) throw new Error('no node was made');
  node.start();
  await untilServing(node);
  return node;
}

export function untilServing(node: ServerNode): Promise<void> {
  return until(() => {
    if (node.running?.isEnded === true) throw new Error(`node ${node.number} ended:\n${node.log()}`);
    return isReady(node);
  }, `node ${node.number} serves`);
}

/** Memory of the node's process that is in RAM now, in bytes. */
export function residentBytes(node: ServerNode): number {
  return memoryLine(node, 'VmRSS');
}

/** The most that it ever was. */
export function peakResidentBytes(node: ServerNode): number {
  return memoryLine(node, 'VmHWM');
}

function memoryLine(node: ServerNode, name: 'VmRSS' | 'VmHWM'): number {
  const text = readFileSync(`/proc/${node.running?.pid ?? 0}/status`, 'utf8');
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  if (found === null) throw new Error(`the process has no ${name}: it has ended`);
  return Number(found[1]) * KIB;
}

/** The sum of one figure of `/metrics` over all label sets that contain `labels`. */
export async function figureOf(node: ServerNode, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${node.ports.http}/metrics`)).text();
  let sum = 0;
  for (const line of text.split('\n')) {
    const found = /^(\w+)(\{[^}]*\})? (\S+)$/.exec(line);
    if (found?.[1] === name && (found[2] ?? '').includes(labels)) sum += Number(found[3]);
  }
  return sum;
}
