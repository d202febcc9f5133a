/**
 * A segment: items written one behind the other, like a log, and never changed but for the first byte of each, which
 * counts touches and tells the dead.
 *
 *   u8 head: bits 0-1 touches | 2 dead | 3 has expiry | 4 key length follows | 5 value length follows | 6-7 version's form
 *   version (2, 3 or 4 bytes: the difference to the segment's base, offset binary; or 7: the version itself)
 *   [key length] [value length]   1 byte below 128, else 2; absent when equal to the first item's of the segment
 *   [expiry in ms]                5 bytes, counted from 2020; before that and 34 years later 8, the first of them 0xff
 *   key | value
 *
 * So an item of the usual length, recent and without expiry, has 3 bytes besides key and value.
 */
import { EMPTY_BYTES } from '../base/index.js';
import type { Item } from './item.js';
import { SEGMENT_BYTES, type SlotHolder } from './segment-arenas.js';

const TOUCHES_MASK = 3;
export const TOUCHES_MAX = 3;
const DEAD = 4;
const HAS_EXPIRY = 8;
const HAS_KEY_LENGTH = 16;
const HAS_VALUE_LENGTH = 32;
const FORM_SHIFT = 6;

/** Bytes of the version by its form, and the limit of the difference that fits. */
const FORM_BYTES = [2, 3, 4, 7] as const;
const BIAS_2 = 2 ** 15;
const BIAS_3 = 2 ** 23;
const BIAS_4 = 2 ** 31;
const LONG_EXPIRY = 0xff;
/** 2020-01-01: expiries of 5 bytes count from here. */
const EXPIRY_BASE_MS = 1_577_836_800_000;
const LONG_EXPIRY_MIN_MS = EXPIRY_BASE_MS + LONG_EXPIRY * 2 ** 32;
const SHORT_EXPIRY_BYTES = 5;
const LONG_EXPIRY_BYTES = 8;
/** Below this a byte loop beats the view that `set(subarray)` allocates. */
const LOOP_COPY_MAX = 64;
const WORD_COPY_MAX = 512;

const NO_VIEW = new DataView(new ArrayBuffer(0));

/** Offsets are within the segment; its bytes are a part of an arena's, which `SegmentArenas` tells and may change. */
export class Segment implements SlotHolder {
  bytes = EMPTY_BYTES as Uint8Array;
  view: DataView = NO_VIEW;
  start = 0;
  /** Bytes written; items stand in [0, used). */
  used = 0;
  /** Bytes of dead items. At most `used`. */
  dead = 0;
  /** Lengths and version of the first item. */
  keyLength = -1;
  valueLength = -1;
  baseVersion = 0;
  /** Offsets of items that died while a frozen view pinned the segment, each followed by the epoch of then. */
  deaths: number[] | null = null;
  /** Bytes of dead items that a frozen view keeps, in the round of views `pinRound` (`segment-store.ts`). */
  pinnedBytes = 0;
  pinRound = -1;
  /** Neighbours in the list of segments with as much garbage; -1 none. Moved by `GarbageLists` alone. */
  previous = -1;
  next = -1;
  /** List that it stands in; -1 none: it is being written or emptied, or waits for a frozen view. */
  list = -1;

  constructor(
    readonly number: number,
    /** Freezes before it began: it is in the views of later ones only. */
    readonly born: number,
  ) {}

  get live(): number {
    return this.used - this.dead;
  }

  /** Appends the item; returns its offset, or -1 when it doesn't fit. */
  append(item: Item, touches: number): number {
    const keyLength = item.keyEnd - item.keyStart;
    const valueLength = item.valueEnd - item.valueStart;
    const { expiryMs } = item;
    const expiryBytes = expiryMs === 0 ? 0 : isShort(expiryMs) ? SHORT_EXPIRY_BYTES : LONG_EXPIRY_BYTES;
    const bodyBytes = expiryBytes + keyLength + valueLength;
    const offset = this.used;
    let at = this.appendHead(item.version, touches, expiryBytes > 0, keyLength, valueLength, bodyBytes);
    if (at < 0) return -1;
    const { bytes } = this;
    if (expiryBytes > 0) at = putExpiry(bytes, at, expiryMs);
    copy(bytes, at, item.keyBytes, item.keyStart, item.keyEnd);
    copy(bytes, at + keyLength, item.valueBytes, item.valueStart, item.valueEnd);
    return offset;
  }

  /** Appends the item that stands in another segment at `offset`, where `places` says; as `append`. */
  appendFrom(other: Segment, from: number, places: ItemPlaces): number {
    const bodyStart = places.bodyStart;
    const bodyBytes = places.valueEnd - bodyStart;
    const keyLength = places.keyEnd - places.keyStart;
    const valueLength = places.valueEnd - places.keyEnd;
    const touches = other.touchesAt(from);
    const offset = this.used;
    const hasExpiry = places.keyStart > bodyStart;
    const at = this.appendHead(other.versionAt(from), touches, hasExpiry, keyLength, valueLength, bodyBytes);
    if (at < 0) return -1;
    copyBetween(this, at, other, other.start + bodyStart, bodyBytes);
    return offset;
  }

  versionAt(offset: number): number {
    const { bytes } = this;
    const at = this.start + offset;
    const high = ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    const form = (bytes[at] as number) >>> FORM_SHIFT;
    if (form === 0) return this.baseVersion + high - BIAS_2;
    const b3 = bytes[at + 3] as number;
    if (form === 1) return this.baseVersion + high * 256 + b3 - BIAS_3;
    const first = high * 65536 + b3 * 256 + (bytes[at + 4] as number);
    if (form === 2) return this.baseVersion + first - BIAS_4;
    const low = (bytes[at + 5] as number) * 65536 + (bytes[at + 6] as number) * 256;
    return first * 2 ** 24 + low + (bytes[at + 7] as number);
  }

  isDead(offset: number): boolean {
    return ((this.bytes[this.start + offset] as number) & DEAD) !== 0;
  }

  markDead(offset: number): void {
    const at = this.start + offset;
    this.bytes[at] = (this.bytes[at] as number) | DEAD;
  }

  touchesAt(offset: number): number {
    return (this.bytes[this.start + offset] as number) & TOUCHES_MASK;
  }

  /** Counts a touch, up to the most that is counted. */
  touch(offset: number): void {
    const at = this.start + offset;
    if (this.touchesAt(offset) < TOUCHES_MAX) this.bytes[at] = (this.bytes[at] as number) + 1;
  }

  /** Writes what stands before an item's body; returns where in `bytes` that goes, or -1 when the item doesn't fit. */
  private appendHead(
    version: number,
    touches: number,
    hasExpiry: boolean,
    keyLength: number,
    valueLength: number,
    bodyBytes: number,
  ): number {
    if (this.used === 0) {
      this.keyLength = keyLength;
      this.valueLength = valueLength;
      this.baseVersion = version;
    }
    const form = formOf(version - this.baseVersion);
    const keyLengthBytes = keyLength === this.keyLength ? 0 : keyLength < 128 ? 1 : 2;
    const valueLengthBytes = valueLength === this.valueLength ? 0 : valueLength < 128 ? 1 : 2;
    const headBytes = 1 + (FORM_BYTES[form] as number) + keyLengthBytes + valueLengthBytes;
    if (this.used + headBytes + bodyBytes > SEGMENT_BYTES) return -1;
    const { bytes } = this;
    let at = this.start + this.used;
    bytes[at] =
      touches |
      (hasExpiry ? HAS_EXPIRY : 0) |
      (keyLengthBytes > 0 ? HAS_KEY_LENGTH : 0) |
      (valueLengthBytes > 0 ? HAS_VALUE_LENGTH : 0) |
      (form << FORM_SHIFT);
    putVersion(bytes, at + 1, form, version, this.baseVersion);
    at += 1 + (FORM_BYTES[form] as number);
    if (keyLengthBytes > 0) at = putLength(bytes, at, keyLength);
    if (valueLengthBytes > 0) at = putLength(bytes, at, valueLength);
    this.used += headBytes + bodyBytes;
    return at;
  }
}

/** Where the parts of an item stand, as offsets in its segment; reused for one after the other. */
export class ItemPlaces {
  /** What is copied as it is when the item moves: expiry if there is one, key, value. */
  bodyStart = 0;
  keyStart = 0;
  keyEnd = 0;
  valueEnd = 0;

  read(segment: Segment, offset: number): void {
    const { bytes, start } = segment;
    const head = bytes[start + offset] as number;
    let at = start + offset + 1 + (FORM_BYTES[head >>> FORM_SHIFT] as number);
    let keyLength = segment.keyLength;
    let valueLength = segment.valueLength;
    if (head & HAS_KEY_LENGTH) {
      keyLength = bytes[at++] as number;
      if (keyLength >= 128) keyLength = ((keyLength & 127) << 8) | (bytes[at++] as number);
    }
    if (head & HAS_VALUE_LENGTH) {
      valueLength = bytes[at++] as number;
      if (valueLength >= 128) valueLength = ((valueLength & 127) << 8) | (bytes[at++] as number);
    }
    this.bodyStart = at - start;
    if (head & HAS_EXPIRY) at += bytes[at] === LONG_EXPIRY ? LONG_EXPIRY_BYTES : SHORT_EXPIRY_BYTES;
    this.keyStart = at - start;
    this.keyEnd = at - start + keyLength;
    this.valueEnd = at - start + keyLength + valueLength;
  }

  /** 0 for none. */
  expiryMs(segment: Segment): number {
    if (this.bodyStart === this.keyStart) return 0;
    const { bytes } = segment;
    const at = segment.start + this.bodyStart;
    const top = bytes[at] as number;
    if (top !== LONG_EXPIRY) return EXPIRY_BASE_MS + top * 2 ** 32 + segment.view.getUint32(at + 1);
    const high = ((bytes[at + 1] as number) << 16) | segment.view.getUint16(at + 2);
    return high * 2 ** 32 + segment.view.getUint32(at + 4);
  }
}

/** Fills the view, all but the hash, which isn't kept. */
export function viewItem(segment: Segment, offset: number, places: ItemPlaces, into: Item): void {
  const { bytes, start } = segment;
  into.version = segment.versionAt(offset);
  into.expiryMs = places.expiryMs(segment);
  into.touches = segment.touchesAt(offset);
  into.setKey(bytes, start + places.keyStart, start + places.keyEnd);
  into.setValue(bytes, start + places.keyEnd, start + places.valueEnd);
}

function formOf(difference: number): number {
  if (difference >= -BIAS_2 && difference < BIAS_2) return 0;
  if (difference >= -BIAS_3 && difference < BIAS_3) return 1;
  return difference >= -BIAS_4 && difference < BIAS_4 ? 2 : 3;
}

function putVersion(bytes: Uint8Array, at: number, form: number, version: number, base: number): void {
  if (form === 0) {
    const field = version - base + BIAS_2;
    bytes[at] = field >>> 8;
    bytes[at + 1] = field;
  } else if (form === 1) {
    const field = version - base + BIAS_3;
    bytes[at] = field >>> 16;
    bytes[at + 1] = field >>> 8;
    bytes[at + 2] = field;
  } else if (form === 2) {
    putU32(bytes, at, version - base + BIAS_4);
  } else {
    const high = Math.floor(version / 2 ** 24);
    putU32(bytes, at, high);
    const low = version - high * 2 ** 24;
    bytes[at + 4] = low >>> 16;
    bytes[at + 5] = low >>> 8;
    bytes[at + 6] = low;
  }
}

function isShort(expiryMs: number): boolean {
  return expiryMs >= EXPIRY_BASE_MS && expiryMs < LONG_EXPIRY_MIN_MS;
}

function putExpiry(bytes: Uint8Array, at: number, expiryMs: number): number {
  let end = at;
  const isLong = !isShort(expiryMs);
  const field = isLong ? expiryMs : expiryMs - EXPIRY_BASE_MS;
  const high = Math.floor(field / 2 ** 32);
  if (isLong) {
    bytes[end++] = LONG_EXPIRY;
    bytes[end++] = high >>> 16;
    bytes[end++] = high >>> 8;
  }
  bytes[end++] = high;
  putU32(bytes, end, field - high * 2 ** 32);
  return end + 4;
}

function putLength(bytes: Uint8Array, at: number, length: number): number {
  if (length < 128) {
    bytes[at] = length;
    return at + 1;
  }
  bytes[at] = 128 | (length >>> 8);
  bytes[at + 1] = length;
  return at + 2;
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function copy(target: Uint8Array, at: number, source: Uint8Array, start: number, end: number): void {
  if (end - start > LOOP_COPY_MAX) target.set(source.subarray(start, end), at);
  else for (let i = start, j = at; i < end; i++, j++) target[j] = source[i] as number;
}

/** `at` and `from` are places in the arenas. Words at a time: several times as fast as bytes. */
function copyBetween(to: Segment, at: number, source: Segment, from: number, count: number): void {
  if (count > WORD_COPY_MAX) {
    to.bytes.set(source.bytes.subarray(from, from + count), at);
    return;
  }
  const target = to.view;
  const view = source.view;
  const wordsEnd = count & ~3;
  for (let i = 0; i < wordsEnd; i += 4) target.setInt32(at + i, view.getInt32(from + i));
  for (let i = wordsEnd; i < count; i++) to.bytes[at + i] = source.bytes[from + i] as number;
}
