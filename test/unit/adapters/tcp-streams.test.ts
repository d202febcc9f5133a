/** What TCP adds to the conformance suite of streams: a client that ends its side and still reads. */
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../src/adapters/tcp-address.js';
import { tcpStreams } from '../../../src/adapters/tcp-streams.js';
import type { ByteStream, CloseListener } from '../../../src/ports/index.js';
import { realWorld } from '../../conformance/world.js';

describe('a client that ends its side', () => {
  it('still gets the answers that are under way, and then the end', async () => {
    let bound = '';
    let close: CloseListener = (done) => done();
    let closes = 0;
    tcpStreams.listen(
      '127.0.0.1:0',
      (stream: ByteStream) => ({
        onData: () => setTimeout(() => stream.write(new Uint8Array([80, 79, 78, 71])), 30),
        onDrain: () => undefined,
        onClose: () => closes++,
      }),
      (_error, address, closer) => {
        bound = address;
        close = closer;
      },
    );
    await realWorld.until('listening', () => bound !== '');
    const socket = connect({ ...parseAddress(bound), allowHalfOpen: true });
    let answer = '';
    let ended = false;
    socket.on('data', (bytes) => (answer += bytes.toString()));
    socket.on('end', () => (ended = true));
    socket.end('PING\r\n');
    await realWorld.until('the end', () => ended && closes === 1);
    expect(answer).toBe('PONG');
    let closed = false;
    close(() => (closed = true));
    await realWorld.until('closed', () => closed);
  });
});
