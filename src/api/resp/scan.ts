/**
 * SCAN: some keys and a cursor, again and again until the cursor is 0.
 *
 * The cursor is `slot * 2^32 + hash`: a place among the keys of the shard that owns the slot (key-pages.ts). 0 begins
 * and ends. It means the same through every node, and no node remembers it. One call stays within one shard.
 */
import { ByteWriter, copyBytes, SLOT_COUNT, type Slot } from '../../base/index.js';
import type { ShardRange } from '../gateway-port.js';
import type { CommandContext } from './command-context.js';
import { isWord, NOT_AN_INTEGER, SYNTAX_ERROR } from './command-spec.js';
import { parseInteger } from './integers.js';
import { HASH_END, KeyPages } from './key-pages.js';
import { PAGE_KEYS_MAX, PATTERN_BYTES_MAX, SCAN_BYTES_ENOUGH, SCAN_KEYS_MAX } from './limits.js';
import type { Arguments } from './parser.js';
import { writeArray, writeBulk, writeBulkText } from './reply-writer.js';
import { Outcome } from './result-encoder.js';

const COUNT_DEFAULT = 10;
const STAR = 42;
/** The longest decimal of a cursor. */
const CURSOR_DIGITS_MAX = 16;
const DIGIT_0 = 48;
const DIGIT_9 = 57;

/** What stands behind SCAN's cursor. */
interface ScanOptions {
  count: number;
  pattern: Uint8Array | null;
  /** False: a type that no key here has. */
  typeExists: boolean;
}

export function runScan(c: CommandContext): void {
  const cursor = readCursor(c.args, 1);
  if (Number.isNaN(cursor)) return c.replyError('ERR invalid cursor');
  const options = readOptions(c);
  if (options === null) return;

  const shards = c.server.gateway.shards();
  if (shards.length === 0) return c.replyFailure('SHARD_LEADER_UNKNOWN');
  const covered = c.server.shardsOfKeyspace();
  // A cursor goes on in its shard even where the client would now ask another node for it: nothing is left out.
  const slot = Math.floor(cursor / HASH_END);
  const at = cursor === 0 ? firstBehind(covered, -1) : shards.find((shard) => holds(shard, slot));
  if (at === undefined || !options.typeExists) return replyNothing(c);
  const next = firstBehind(covered, at.lastSlot);
  const place = cursor === 0 ? at.firstSlot : slot;
  c.iterate(new Scan(place, cursor % HASH_END, next?.firstSlot ?? null, options));
}

/** The cursor in argument `index`, NaN when it is none. Leading zeros are fine with Redis, too. */
function readCursor(args: Arguments, index: number): number {
  const start = args.start(index);
  const end = args.end(index);
  if (start === end || end - start > CURSOR_DIGITS_MAX) return NaN;
  let cursor = 0;
  for (let i = start; i < end; i++) {
    const c = args.bytes[i] as number;
    if (c < DIGIT_0 || c > DIGIT_9) return NaN;
    cursor = cursor * 10 + (c - DIGIT_0);
  }
  return cursor < SLOT_COUNT * HASH_END ? cursor : NaN;
}

/** Null, and the error replied, when they are wrong. What is given twice counts as given last. */
function readOptions(c: CommandContext): ScanOptions | null {
  const { args } = c;
  const options: ScanOptions = { count: COUNT_DEFAULT, pattern: null, typeExists: true };
  for (let i = 2; i < args.count; i += 2) {
    if (i + 1 === args.count) return refuse(c, SYNTAX_ERROR);
    if (isWord(args, i, 'count')) {
      const count = parseInteger(args.bytes, args.start(i + 1), args.end(i + 1));
      if (Number.isNaN(count)) return refuse(c, NOT_AN_INTEGER);
      if (count < 1) return refuse(c, SYNTAX_ERROR);
      options.count = Math.min(count, SCAN_KEYS_MAX);
    } else if (isWord(args, i, 'match')) {
      if (!checkPattern(c, i + 1)) return null;
      options.pattern = patternOf(args, i + 1);
    } else if (isWord(args, i, 'type')) {
      options.typeExists = isWord(args, i + 1, 'string');
    } else {
      return refuse(c, SYNTAX_ERROR);
    }
  }
  return options;
}

function refuse(c: CommandContext, text: string): null {
  c.replyError(text);
  return null;
}

/** False, and the error replied, when argument `index` is too long to be matched against many keys. */
export function checkPattern(c: CommandContext, index: number): boolean {
  if (c.args.end(index) - c.args.start(index) <= PATTERN_BYTES_MAX) return true;
  c.replyError(`ERR pattern is longer than ${PATTERN_BYTES_MAX} bytes`);
  return false;
}

/** A copy of argument `index`; null for `*`, which needs no look at the keys. */
export function patternOf(args: Arguments, index: number): Uint8Array | null {
  const start = args.start(index);
  const end = args.end(index);
  return end - start === 1 && args.bytes[start] === STAR ? null : copyBytes(args.bytes, start, end);
}

function holds(shard: ShardRange, slot: Slot): boolean {
  return shard.firstSlot <= slot && slot <= shard.lastSlot;
}

/** The first shard in the order of slots that begins behind `slot`. */
function firstBehind(shards: readonly ShardRange[], slot: Slot): ShardRange | undefined {
  let first: ShardRange | undefined;
  for (const shard of shards) {
    if (shard.firstSlot > slot && (!first || shard.firstSlot < first.firstSlot)) first = shard;
  }
  return first;
}

function replyNothing(c: CommandContext): void {
  const w = c.beginReply();
  writeArray(w, 2);
  writeBulkText(w, '0');
  writeArray(w, 0);
  c.endReply(Outcome.ok);
}

class Scan extends KeyPages {
  private readonly found = new ByteWriter(256);
  private foundCount = 0;
  private lookedAt = 0;
  /** Past it no further page is asked for; with a page on top it still fits into a reply. */
  private bytesEnough = SCAN_BYTES_ENOUGH;
  private cursor = 0;

  /** `nextSlot`: where the next shard begins, null behind the last one. */
  constructor(
    slot: Slot,
    hash: number,
    private readonly nextSlot: Slot | null,
    private readonly options: ScanOptions,
  ) {
    super(1, options.pattern);
    this.moveTo(0, slot, hash);
    this.limitPage(0, Math.min(options.count, PAGE_KEYS_MAX));
  }

  get keptBytes(): number {
    return this.found.length;
  }

  protected takeKey(bytes: Uint8Array, start: number, end: number, bytesMax: number): boolean {
    this.bytesEnough = Math.min(SCAN_BYTES_ENOUGH, bytesMax / 2);
    writeBulk(this.found, bytes, start, end);
    this.foundCount++;
    return true;
  }

  protected onPage(lane: number): boolean {
    this.lookedAt += this.pageKeysAt(lane);
    this.cursor = this.slotAt(lane) * HASH_END + this.hashAt(lane);
    const left = this.options.count - this.lookedAt;
    if (left <= 0 || this.found.length >= this.bytesEnough) return false;
    this.limitPage(lane, left);
    return true;
  }

  protected onShardEnd(): boolean {
    this.cursor = (this.nextSlot ?? 0) * HASH_END;
    return false;
  }

  protected writeReply(w: ByteWriter): void {
    writeArray(w, 2);
    writeBulkText(w, String(this.cursor));
    writeArray(w, this.foundCount);
    w.bytes(this.found.buffer, 0, this.found.length);
  }

  protected drop(): void {
    this.found.reset();
  }
}
