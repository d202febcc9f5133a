/**
 * Replies as bytes, in RESP2 and RESP3. Every function appends one reply, or the header of one, to a writer.
 * Nothing here allocates, but for texts that only errors and rare commands bring.
 */
import type { ByteWriter } from '../../base/index.js';

/** What a connection speaks: 2 until `HELLO 3`. */
export type RespVersion = 2 | 3;

const PLUS = 43;
const MINUS = 45;
const COLON = 58;
const DOLLAR = 36;
const STAR = 42;
const PERCENT = 37;
const EQUALS = 61;
const UNDERSCORE = 95;
const TILDE = 126;
const CR = 13;
const LF = 10;
const DIGIT_0 = 48;
const DIGITS_MAX = 20;

function crlf(w: ByteWriter): void {
  w.u8(CR);
  w.u8(LF);
}

/** A safe integer in decimal. */
export function writeDecimal(w: ByteWriter, value: number): void {
  w.reserve(DIGITS_MAX);
  const out = w.buffer;
  let rest = value;
  if (rest < 0) {
    w.u8(MINUS);
    rest = -rest;
  }
  let digits = 1;
  for (let bound = 10; rest >= bound; bound *= 10) digits++;
  let at = w.length + digits;
  w.length = at;
  do {
    const next = Math.floor(rest / 10);
    out[--at] = DIGIT_0 + (rest - next * 10);
    rest = next;
  } while (rest > 0);
}

function writeHeader(w: ByteWriter, kind: number, value: number): void {
  w.u8(kind);
  writeDecimal(w, value);
  crlf(w);
}

/** `text` is ASCII without line ends. */
export function writeSimple(w: ByteWriter, text: string): void {
  w.u8(PLUS);
  writeLatin1(w, text);
  crlf(w);
}

/** `text` begins with the error's code word. Line ends in it become blanks: they would end the reply. */
export function writeError(w: ByteWriter, text: string): void {
  w.u8(MINUS);
  w.utf8(text.replace(/[\r\n]/g, ' '));
  crlf(w);
}

/** As `writeError`, for texts that quote a client's bytes: each character is one byte. */
export function writeErrorBytes(w: ByteWriter, text: string): void {
  w.u8(MINUS);
  writeLatin1(w, text.replace(/[\r\n]/g, ' '));
  crlf(w);
}

export function writeInt(w: ByteWriter, value: number): void {
  writeHeader(w, COLON, value);
}

export function writeBigInt(w: ByteWriter, value: bigint): void {
  w.u8(COLON);
  writeLatin1(w, value.toString());
  crlf(w);
}

export function writeBulk(w: ByteWriter, source: Uint8Array, start: number, end: number): void {
  writeHeader(w, DOLLAR, end - start);
  w.bytes(source, start, end);
  crlf(w);
}

export function writeBulkText(w: ByteWriter, text: string): void {
  writeBulkOf(w, DOLLAR, '', text);
}

/** Text for people: a bulk in RESP2, a verbatim string in RESP3. */
export function writeVerbatim(w: ByteWriter, version: RespVersion, text: string): void {
  if (version === 3) writeBulkOf(w, EQUALS, 'txt:', text);
  else writeBulkOf(w, DOLLAR, '', text);
}

function writeBulkOf(w: ByteWriter, kind: number, prefix: string, text: string): void {
  let bytes = prefix.length;
  for (const character of text) bytes += utf8Length(character.codePointAt(0) as number);
  writeHeader(w, kind, bytes);
  writeLatin1(w, prefix);
  w.utf8(text);
  crlf(w);
}

function utf8Length(codePoint: number): number {
  return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}

export function writeNull(w: ByteWriter, version: RespVersion): void {
  if (version === 3) {
    w.u8(UNDERSCORE);
  } else {
    w.u8(DOLLAR);
    w.u8(MINUS);
    w.u8(DIGIT_0 + 1);
  }
  crlf(w);
}

export function writeArray(w: ByteWriter, count: number): void {
  writeHeader(w, STAR, count);
}

/** Header of a map of `pairs` keys and values; an array of twice as many in RESP2. */
export function writeMap(w: ByteWriter, version: RespVersion, pairs: number): void {
  if (version === 3) writeHeader(w, PERCENT, pairs);
  else writeHeader(w, STAR, 2 * pairs);
}

/** Header of a set of `count` members; an array in RESP2. */
export function writeSet(w: ByteWriter, version: RespVersion, count: number): void {
  writeHeader(w, version === 3 ? TILDE : STAR, count);
}

function writeLatin1(w: ByteWriter, text: string): void {
  w.reserve(text.length);
  const out = w.buffer;
  let at = w.length;
  for (let i = 0; i < text.length; i++) out[at++] = text.charCodeAt(i);
  w.length = at;
}
