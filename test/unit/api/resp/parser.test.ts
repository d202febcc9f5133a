/** Goal: what comes out depends on the bytes alone. Method: every sample whole, byte by byte, and at every split. */
import { describe, expect, it } from 'vitest';
import { Parsed, RespParser, type ParserLimits } from '../../../../src/api/resp/parser.js';
import { loadRecordings } from './recordings.js';
import { multibulk } from './resp-world.js';

const LIMITS: ParserLimits = { valueBytesMax: 1024 * 1024, commandBytesMax: 4 * 1024 * 1024 };

/** Commands as lists of words; an error is the last element. */
function parse(chunks: readonly string[], limits = LIMITS): (string[] | string)[] {
  const parser = new RespParser(limits);
  const found: (string[] | string)[] = [];
  for (const chunk of chunks) {
    parser.push(new Uint8Array(Buffer.from(chunk, 'latin1')));
    for (let parsed = parser.next(); parsed !== Parsed.more; parsed = parser.next()) {
      if (parsed === Parsed.error) {
        found.push(parser.error);
        return found;
      }
      found.push(wordsOf(parser));
    }
  }
  return found;
}

function wordsOf(parser: RespParser): string[] {
  return Array.from({ length: parser.count }, (_, i) =>
    Buffer.from(parser.bytes.subarray(parser.start(i), parser.end(i))).toString('latin1'),
  );
}

const SAMPLES: readonly string[] = [
  multibulk('PING') + multibulk('SET', 'k', 'v'.repeat(40)) + multibulk('GET', 'k'),
  multibulk('SET', '\r\n$3\r\n', '\x00\xff*1\r\n') + 'PING\r\n' + multibulk('ECHO', ''),
  '*0\r\n*-1\r\n\r\n' + multibulk('PING') + '\r\nPING "a\\x00b"\r\n*x\r\n',
  ...loadRecordings().map((recording) => recording.exchanges.map((exchange) => exchange.request).join('')),
];

describe('chunks', () => {
  it.each(SAMPLES.map((sample) => [sample]))('E95 don’t matter for %j', (sample) => {
    const whole = parse([sample]);
    expect(parse([...sample])).toEqual(whole);
    const wholeText = JSON.stringify(whole);
    for (let split = 1; split < sample.length; split++) {
      const parsed = JSON.stringify(parse([sample.slice(0, split), sample.slice(split)]));
      if (parsed !== wholeText) expect([split, parsed]).toEqual([split, wholeText]);
    }
  });

  it('E95 of any one size give the same 1,000 commands', () => {
    const pipeline = Array.from({ length: 1000 }, (_, i) =>
      i % 7 === 0 ? `GET key${i}\r\n` : multibulk('SET', `key${i}`, 'x'.repeat(i % 50)),
    ).join('');
    const whole = parse([pipeline]);
    expect(whole).toHaveLength(1000);
    for (const size of [1, 2, 3, 7, 61, 1000, 16_384]) {
      const chunks = pipeline.match(new RegExp(`[^]{1,${size}}`, 'g')) as string[];
      expect(parse(chunks)).toEqual(whole);
    }
  });
});

describe('limits', () => {
  const tooBigInline = 'ERR Protocol error: too big inline request';

  it('E94 an inline command of 64 KiB passes, one byte more does not, line end or not', () => {
    const line = 'x'.repeat(64 * 1024);
    expect(parse([`${line}\n`])).toEqual([[line]]);
    expect(parse([`${line}x\n`])).toEqual([tooBigInline]);
    expect(parse([`${line}x`])).toEqual([tooBigInline]);
    expect(parse([line])).toEqual([]);
  });

  it('E94 counts and lengths of 64 KiB of digits are refused', () => {
    const digits = '1'.repeat(64 * 1024);
    expect(parse([`*${digits}`])).toEqual(['ERR Protocol error: too big mbulk count string']);
    expect(parse([`*1\r\n$${digits}`])).toEqual(['ERR Protocol error: too big bulk count string']);
  });

  it('E94 a million arguments may be announced, not one more', () => {
    expect(parse(['*1048576\r\n'])).toEqual([]);
    expect(parse(['*1048577\r\n'])).toEqual(['ERR Protocol error: invalid multibulk length']);
    expect(parse(['*2147483647\r\n'])).toEqual(['ERR Protocol error: invalid multibulk length']);
  });

  it('E94 a bulk of the limit passes, one byte more does not', () => {
    const value = 'v'.repeat(LIMITS.valueBytesMax);
    expect(parse([multibulk('SET', 'k', value)])).toEqual([['SET', 'k', value]]);
    expect(parse([`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${LIMITS.valueBytesMax + 1}\r\n`])).toEqual([
      'ERR Protocol error: invalid bulk length',
    ]);
  });

  it('E94 keys and names pass although the limit for values is small', () => {
    expect(
      parse([multibulk('GET', 'k'.repeat(60_000))], { valueBytesMax: 1, commandBytesMax: 1e6 }),
    ).toHaveLength(1);
  });

  it('E94 a command beyond the limit for commands is refused when it is announced', () => {
    const limits = { valueBytesMax: 100, commandBytesMax: 10 };
    expect(parse([multibulk('SET', 'k', '123456')], limits)).toEqual([['SET', 'k', '123456']]);
    expect(parse(['*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$7\r\n'], limits)).toEqual([
      'ERR Protocol error: command is longer than 10 bytes',
    ]);
  });

  it('E94 announced lengths take no memory before the bytes come', () => {
    const parsers: RespParser[] = [];
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1000; i++) {
      const parser = new RespParser(LIMITS);
      parser.push(new Uint8Array(Buffer.from('*1048576\r\n$1048576\r\nabc')));
      expect(parser.next()).toBe(Parsed.more);
      parsers.push(parser);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1000 * 2048);
    expect(parsers).toHaveLength(1000);
  });
});

describe('memory', () => {
  it('a half-read command does not keep the chunk that it came in', () => {
    const parser = new RespParser(LIMITS);
    const chunk = new Uint8Array(Buffer.from(multibulk('SET', 'k', 'v'.repeat(60_000)) + '*1\r\n$4\r\nPI'));
    parser.push(chunk);
    expect(parser.next()).toBe(Parsed.command);
    expect(parser.bytes.buffer).toBe(chunk.buffer); // a whole command is not copied
    expect(parser.next()).toBe(Parsed.more);
    parser.push(new Uint8Array(Buffer.from('NG\r\n')));
    expect(parser.next()).toBe(Parsed.command);
    expect(wordsOf(parser)).toEqual(['PING']);
    expect(parser.bytes.buffer.byteLength).toBeLessThan(1024);
  });

  it('bytes that follow a command before it is passed over are not lost', () => {
    const parser = new RespParser(LIMITS);
    parser.push(new Uint8Array(Buffer.from(multibulk('ECHO', 'a') + multibulk('ECHO', 'b') + 'PI')));
    expect(parser.next()).toBe(Parsed.command);
    parser.push(new Uint8Array(Buffer.from('NG\r\n')));
    const rest: string[][] = [];
    while (parser.next() === Parsed.command) rest.push(wordsOf(parser));
    expect(rest).toEqual([['ECHO', 'b'], ['PING']]);
  });
});
