/**
 * Goal: replies do not depend on how bytes were cut, in which order shards answered, or when turns ran. Method: the
 * same random pipeline through a connection that is treated well and one that is not.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KvGateway } from '../unit/api/resp/kv-gateway.js';
import { multibulk, RespWorld } from '../unit/api/resp/resp-world.js';

const key = fc.integer({ min: 0, max: 12 }).map((n) => `key${n}`);
const value = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.integer().map(String),
  fc.integer({ min: 1000, max: 90_000 }).map((n) => 'v'.repeat(n)),
);
const command = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('SET'), key, value) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('GET'), key) },
  fc.tuple(fc.constant('INCR'), key),
  fc.tuple(fc.constant('ECHO'), value),
  fc.array(key, { minLength: 1, maxLength: 8 }).map((keys) => ['MGET', ...keys]),
  fc.array(key, { minLength: 1, maxLength: 4 }).map((keys) => ['DEL', ...keys]),
  fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 4 }).map((pairs) => ['MSET', ...pairs.flat()]),
  fc.constantFrom(['DBSIZE'], ['FLUSHALL'], ['HELLO', '3'], ['HELLO', '2'], ['NOSUCH', 'x'], ['GET']),
);
const pipeline = fc.array(command, { minLength: 1, maxLength: 40 });

describe('a pipeline', () => {
  it('E95 has the same replies however it is cut and whichever shard is slow', () => {
    fc.assert(
      fc.property(pipeline, fc.array(fc.nat(), { minLength: 1, maxLength: 50 }), (commands, choices) => {
        const bytes = commands.map((words) => multibulk(...words.map(latin1))).join('');
        const calm = new RespWorld({}, new KvGateway(8));
        const expected = calm.ask(calm.connect(), bytes);

        let next = 0;
        const choose = (below: number): number => (choices[next++ % choices.length] as number) % below;
        const rough = new RespWorld({}, new KvGateway(8));
        const client = rough.connect();
        for (let at = 0; at < bytes.length;) {
          const size = 1 + choose(choose(4) === 0 ? 200_000 : 40);
          rough.send(client, bytes.slice(at, at + size));
          at += size;
          for (let i = choose(3); i > 0 && rough.gateway.waiting.length > 0; i--) {
            rough.gateway.deliver(choose(rough.gateway.waiting.length));
          }
          if (choose(3) === 0) rough.time.runTurn();
        }
        rough.settle(choose);
        expect(client.text).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });
});

describe('arbitrary bytes', () => {
  it('E94 never break the server: an answer, an end, or silence', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '*',
        '$',
        '\r\n',
        '\n',
        '"',
        "'",
        '\\x',
        '-1',
        '0',
        '3',
        '$3\r\nGET\r\n',
        '*2\r\n',
        '$-1\r\n',
        ' ',
      ),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const world = new RespWorld();
        const client = world.connect();
        const bytes = latin1(pieces.join(''));
        const split = Math.floor(bytes.length / 2);
        world.send(client, bytes.slice(0, split));
        world.send(client, bytes.slice(split));
        world.settle();
        if (!client.ended) world.send(client, '\r\n');
        world.settle();
        expect(client.text).toMatch(/^([-+:$*%_][^]*\r\n)?$/);
      }),
      { numRuns: 300 },
    );
  });
});

/** Only what one byte can hold: requests are built as strings of bytes here. */
function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
