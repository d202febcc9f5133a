/** Goal: every reply is Redis', byte for byte. Method: the recordings of test/data/resp, against state machines in memory. */
import { describe, expect, it } from 'vitest';
import { loadRecordings } from './recordings.js';
import { RespWorld } from './resp-world.js';
import { KvGateway } from './kv-gateway.js';

describe.each([1, 16])('with %i shards', (shardCount) => {
  for (const recording of loadRecordings()) {
    it(recording.name, () => {
      const world = new RespWorld({}, new KvGateway(shardCount));
      const stream = world.connect();
      for (const exchange of recording.exchanges) {
        const reply = world.ask(stream, exchange.request);
        expect([exchange.line, reply]).toEqual([exchange.line, exchange.reply.replace('{id}', '1')]);
        expect(stream.ended).toBe(exchange.closes);
      }
    });
  }
});
