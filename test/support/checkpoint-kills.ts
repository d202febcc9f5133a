/**
 * Kill -9 of a node in the middle of a checkpoint, again and again on the same data folder. Its limits are so low that
 * it writes one checkpoint after the other; clients write all the time and remember what was acknowledged. After each
 * restart everything acknowledged must be there, and nothing counted twice; a write whose answer never came may be there
 * or not.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { createNodes, isReady, until, type Sandbox, type ServerNode } from './process-cluster.js';
import { ReplyError, RespClient } from './resp-client.js';

const SHARDS = 2;
const CLIENTS = 8;
/** Keys of one client; their values make checkpoints large enough to be met in the middle. */
const KEYS = 250;
const VALUE_BYTES = 4096;
/** After the first sight of a temporary file; a checkpoint takes some tens of milliseconds. */
const DELAY_MS_MAX = 60;

export interface KillTally {
  readonly rounds: number;
  /** The killed process left a checkpoint that was being written. */
  readonly during: number;
  readonly acknowledged: number;
  /** Checkpoint files that were found after kills, whole or not. */
  readonly files: number;
}

/** What one client knows of its keys: the last acknowledged number of each, and the one that may be there besides. */
class Writer {
  private readonly acked = new Map<string, number>();
  private open: { key: string; number: number } | null = null;
  private counted = 0;
  private countOpen = false;
  private next = 1;
  acknowledged = 0;

  constructor(private readonly id: number) {}

  /** Until the connection breaks. */
  async write(client: RespClient): Promise<void> {
    try {
      for (;;) {
        const number = this.next++;
        const key = `w${this.id}:${number % KEYS}`;
        this.open = { key, number };
        expectReply(await client.call('SET', key, valueOf(number)), 'OK');
        this.acked.set(key, number);
        this.open = null;
        this.countOpen = true;
        expectReply(await client.call('INCR', `c${this.id}`), this.counted + 1);
        this.counted++;
        this.countOpen = false;
        this.acknowledged += 2;
      }
    } catch (error) {
      if (error instanceof WrongReply) throw error;
    }
  }

  /** Throws when something acknowledged is missing, or something is there that was never sent. */
  async verify(client: RespClient): Promise<void> {
    const keys = [...new Set([...this.acked.keys(), ...(this.open === null ? [] : [this.open.key])])];
    const values = await Promise.all(keys.map((key) => client.call('GET', key)));
    keys.forEach((key, i) => {
      const allowed: (string | null)[] = [
        this.acked.has(key) ? valueOf(this.acked.get(key) as number) : null,
      ];
      if (this.open?.key === key) allowed.push(valueOf(this.open.number));
      const found = values[i];
      if (!allowed.includes(found as string | null)) {
        const shown = typeof found === 'string' ? found.slice(0, 20) : JSON.stringify(found);
        throw new Error(`${key}: acknowledged was ${String(this.acked.get(key))}, found ${shown}`);
      }
      if (typeof found === 'string') this.acked.set(key, Number(found.slice(0, found.indexOf(' '))));
    });
    const count = Number(await client.call('GET', `c${this.id}`));
    if (count !== this.counted && !(this.countOpen && count === this.counted + 1))
      throw new Error(`c${this.id}: counted ${this.counted}, found ${count}`);
    this.counted = count;
    this.countOpen = false;
    this.open = null;
  }
}

class WrongReply extends Error {}

function expectReply(reply: unknown, wanted: string | number): void {
  if (reply === wanted) return;
  // The node was killed with the write under way: that is no answer.
  if (reply instanceof ReplyError && reply.text.startsWith('OUTCOMEUNKNOWN')) throw new Error(reply.text);
  throw new WrongReply(`expected ${wanted}, got ${JSON.stringify(reply)}`);
}

/** A number and bytes that don't compress well. */
function valueOf(number: number): string {
  let text = `${number} `;
  let state = number;
  while (text.length < VALUE_BYTES) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += state.toString(36);
  }
  return text;
}

function checkpointFiles(node: ServerNode): string[] {
  const root = path.join(node.folder, 'checkpoints');
  if (!existsSync(root)) return [];
  return readdirSync(root).flatMap((group) => readdirSync(path.join(root, group)));
}

const isTemporary = (name: string): boolean => name.startsWith('tmp-');

export async function killDuringCheckpoints(
  sandbox: Sandbox,
  rounds: number,
  onRound: (tally: KillTally) => void = () => undefined,
): Promise<KillTally> {
  const limits = ['--log-checkpoint-entries', '16', '--log-checkpoint-bytes', '4096'];
  const [node] = (await createNodes(sandbox, 1, ['--single', '--shards', String(SHARDS), ...limits])) as [
    ServerNode,
  ];
  const writers = Array.from({ length: CLIENTS }, (_, id) => new Writer(id));
  let during = 0;
  let files = 0;
  const tally = (done: number): KillTally => ({
    rounds: done,
    during,
    files,
    acknowledged: writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
  });
  for (let round = 1; round <= rounds; round++) {
    node.start();
    await until(() => isReady(node), `the node is ready, round ${round}`, 40_000);
    const clients = await Promise.all(writers.map(() => RespClient.connect(node.resp)));
    await Promise.all(writers.map((writer, i) => writer.verify(clients[i] as RespClient)));
    const before = tally(0).acknowledged;
    const writing = writers.map((writer, i) => writer.write(clients[i] as RespClient));
    // Every key once before the first kill, so that there is something to write to disk.
    const enough = round === 1 ? CLIENTS * KEYS * 2 : CLIENTS;
    await until(() => tally(0).acknowledged > before + enough, 'writes are acknowledged', 60_000);
    await until(() => checkpointFiles(node).some(isTemporary), 'a checkpoint is being written', 60_000);
    await sleep(Math.random() * DELAY_MS_MAX);
    await node.kill();
    await Promise.all(writing);
    for (const client of clients) client.close();
    const found = checkpointFiles(node);
    files += found.filter((name) => !isTemporary(name)).length;
    if (found.some(isTemporary)) during++;
    onRound(tally(round));
  }
  // The last life: everything once more, and nothing in its log says that a file or record was bad.
  node.start();
  await until(() => isReady(node), 'the node is ready in the end', 40_000);
  const client = await RespClient.connect(node.resp);
  for (const writer of writers) await writer.verify(client);
  client.close();
  const said = /"(checkpoint is broken[^"]*|replica is suspect[^"]*|damaged log records)"/.exec(node.log());
  if (said !== null) throw new Error(`a kill must damage nothing, but a start said: ${said[1]}`);
  return tally(rounds);
}
