/**
 * What the change feed costs where entries are applied, in this process alone: the same entries on two state machines,
 * one with a feed and one without, in turn. Both feed and table are full, so that each event pushes an old one out and
 * each write takes the place of an item. Told is the processor time of a command, and the median of the rounds' ratios.
 *
 *   npm run bench:feed [-- --rounds N]
 */
import { parseArgs } from 'node:util';

import {
  appendCommand,
  beginEntry,
  ByteWriter,
  encodeUtf8,
  finishEntry,
  Prng,
} from '../../src/base/index.js';
import {
  beginSet,
  createKv,
  DEFAULT_FEED,
  ExpiryKind,
  NO_FEED,
  putKey,
  putValue,
  type FeedLimits,
  type FeedPosition,
  type Kv,
} from '../../src/kv/index.js';
import { spreadOf, type Spread } from './statistics.js';

const KEYS = 100_000;
const VALUE = new Uint8Array(128).fill(0x78);
const COMMANDS_OF_AN_ENTRY = [1, 256] as const;
const COMMANDS_OF_A_ROUND = 200_000;
const READ_BYTES = 64 * 1024;

/** One entry for each list of keys. */
function encodeEntries(prng: Prng, count: number, commandsEach: number): Uint8Array[] {
  const entry = new ByteWriter(1024);
  const command = new ByteWriter(256);
  return Array.from({ length: count }, () => {
    entry.reset();
    beginEntry(entry);
    for (let i = 0; i < commandsEach; i++) {
      command.reset();
      beginSet(command, 0, ExpiryKind.none, 0);
      putKey(command, encodeUtf8(`key:${prng.below(KEYS)}`.padEnd(16, '0')));
      putValue(command, VALUE);
      appendCommand(entry, command.buffer, 0, command.length);
    }
    finishEntry(entry, 1, commandsEach);
    return entry.take();
  });
}

/** Applies all of them; nanoseconds of processor time for each command. */
function applyAll(kv: Kv, entries: readonly Uint8Array[], commandsEach: number): number {
  let { index } = kv.feed;
  const before = process.cpuUsage();
  for (const entry of entries) kv.apply(++index, 1, entry, null);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / (entries.length * commandsEach);
}

function machine(feed: FeedLimits): Kv {
  const kv = createKv({ hashSeed: 7, valueBytesMax: 1024, firstSlot: 0, lastSlot: 16_383, feed });
  for (const entry of encodeEntries(new Prng(1), 2 * (KEYS / 256), 256))
    kv.apply(kv.feed.index + 1, 1, entry, null);
  return kv;
}

/** Reads all that the feed keeps; nanoseconds for each event. */
function readAll(kv: Kv): number {
  const out = new ByteWriter(READ_BYTES);
  const before = process.cpuUsage();
  let events = 0;
  for (let round = 0; round < 20; round++) {
    let from: FeedPosition = kv.feed.oldest;
    for (;;) {
      out.reset();
      const answer = kv.feed.read(from, READ_BYTES, out);
      if (answer.kind !== 'changes') break;
      events += answer.next.version - from.version;
      from = answer.next;
    }
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / events;
}

function show({ median, low, high }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

function main(): void {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds: expected a whole number from 1 on');
  const without = machine(NO_FEED);
  const withFeed = machine(DEFAULT_FEED);
  for (const commandsEach of COMMANDS_OF_AN_ENTRY) {
    const entries = encodeEntries(new Prng(2), COMMANDS_OF_A_ROUND / commandsEach, commandsEach);
    for (const kv of [without, withFeed]) applyAll(kv, entries, commandsEach);
    const plain: number[] = [];
    const fed: number[] = [];
    for (let round = 0; round < rounds; round++) {
      // Whoever comes second finds the entries in the caches.
      const order = round % 2 === 0 ? [without, withFeed] : [withFeed, without];
      for (const kv of order) (kv === without ? plain : fed).push(applyAll(kv, entries, commandsEach));
    }
    const ratios = fed.map((ns, i) => ns / (plain[i] as number));
    console.log(
      `${commandsEach} SETs an entry: ${show(spreadOf(plain), 0)} ns without a feed, ${show(spreadOf(fed), 0)} with; ` +
        `ratio ${show(spreadOf(ratios), 3)}`,
    );
  }
  console.log(
    `reading: ${readAll(withFeed).toFixed(0)} ns an event; ${withFeed.feed.memoryBytes} bytes, ${withFeed.feed.eventCount} events`,
  );
}

main();
