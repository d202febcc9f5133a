/**
 * Reads that walk the keys: a page of them, and one at random. Both go in the order of the keys' hashes. A place in that
 * order means the same on every replica, after every growth of the table and in every snapshot's copy, as the seed of
 * the hash is replicated: so a walk in pages misses no key that stays, whatever happens between its pages.
 *
 * The work of one command is bounded by constants. They decide results, so they are the same on every replica for ever.
 */
import { Glob } from '../base/index.js';
import { SCAN_COUNT_MAX, SCAN_PATTERN_BYTES_MAX } from './command.js';
import { expectEnd, malformed, readFlag, readKey } from './operands.js';
import { KvError, putArray, putBytes, putError, putInt } from './result.js';
import type { Run } from './run.js';

/** Past this many bytes of keys a page ends, at the next hash. */
const PAGE_BYTES_MAX = 1024 * 1024;
/** Past this many comparisons a page ends, at the next hash: a few milliseconds. */
const PAGE_STEPS_MAX = 1_000_000;
/** Expired items passed over in the search for a random key. */
const EXPIRED_PASSED_MAX = 10_000;
/** Behind the last hash. */
const END_OF_HASHES = 2 ** 32;

/**
 * Looks at keys from a hash on until it saw `countMax` of them, expired ones included, and goes on to the end of the
 * last one's hash. What it answers as the next hash is that of an item, or the end.
 */
export function runScan(run: Run): void {
  const { reader, state, out } = run;
  const fromHash = reader.u32();
  const countWanted = reader.u32();
  const patternGiven = readFlag(reader);
  const patternStart = readKey(reader);
  const patternEnd = reader.position;
  expectEnd(reader);
  if (countWanted === 0) throw malformed('a page of no keys');
  if (!patternGiven && patternEnd > patternStart) throw malformed('a pattern that is not given');
  if (patternEnd - patternStart > SCAN_PATTERN_BYTES_MAX) return putError(out, KvError.tooLarge);

  const { found } = state;
  const glob = patternGiven ? new Glob(reader.buffer, patternStart, patternEnd) : null;
  const countMax = Math.min(countWanted, SCAN_COUNT_MAX);
  const mark = out.length;
  putHead(run, END_OF_HASHES, 0);
  let nextHash = END_OF_HASHES;
  let lastHash = fromHash;
  let looked = 0;
  let listed = 0;
  state.table.scan(fromHash, found, () => {
    if (found.hash !== lastHash) {
      const steps = glob === null ? 0 : glob.steps;
      if (looked >= countMax || out.length - mark > PAGE_BYTES_MAX || steps > PAGE_STEPS_MAX) {
        nextHash = found.hash;
        return false;
      }
      lastHash = found.hash;
    }
    looked++;
    const matches = glob === null || glob.matches(found.keyBytes, found.keyStart, found.keyEnd);
    if (matches && state.lives(run.nowMs)) {
      putBytes(out, found.keyBytes, found.keyStart, found.keyEnd);
      listed++;
    }
    return true;
  });
  const end = out.length;
  out.length = mark;
  putHead(run, nextHash, listed);
  out.length = end;
}

/** Of the same length whatever it says, so that it can be written over. */
function putHead(run: Run, nextHash: number, listed: number): void {
  putArray(run.out, 2);
  putInt(run.out, nextHash);
  putArray(run.out, listed);
}

/**
 * The first living key at or behind a hash, or from the beginning again: as likely as the gap before its hash is wide.
 * Nil when the shard is empty, and when more than 10,000 expired items come first.
 */
export function runRandomKey(run: Run): void {
  const { reader, state, out } = run;
  const atHash = reader.u32();
  expectEnd(reader);
  const { found, table } = state;
  const mark = out.length;
  let passed = 0;
  const visit = (): boolean => {
    if (!state.lives(run.nowMs)) return ++passed <= EXPIRED_PASSED_MAX;
    putBytes(out, found.keyBytes, found.keyStart, found.keyEnd);
    return false;
  };
  table.scan(atHash, found, visit);
  if (out.length === mark && passed <= EXPIRED_PASSED_MAX)
    table.scan(0, found, () => found.hash < atHash && visit());
  if (out.length === mark) run.putNil();
}
