import { expect, test } from 'vitest';
import { encodeRequest, RespReplies } from '../../sim/resp-replies.js';
import { get, interpretReply } from '../../sim/workload.js';

const BYTES = Buffer.from(
  '+OK\r\n$5\r\na\r\nbc\r\n:-7\r\n-ERR no\r\n$-1\r\n$0\r\n\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n*0\r\n',
);
const REPLIES = [
  { kind: 'status', text: 'OK' },
  { kind: 'bulk', text: 'a\r\nbc' },
  { kind: 'int', value: -7 },
  { kind: 'error', text: 'ERR no' },
  { kind: 'bulk', text: null },
  { kind: 'bulk', text: '' },
  {
    kind: 'array',
    items: [
      { kind: 'bulk', text: '0' },
      { kind: 'array', items: [{ kind: 'bulk', text: 'k' }] },
    ],
  },
  { kind: 'array', items: [] },
];

test('replies come out the same wherever the bytes are cut', () => {
  for (let cut = 0; cut <= BYTES.length; cut++) {
    const replies = new RespReplies();
    expect([...replies.push(BYTES.subarray(0, cut)), ...replies.push(BYTES.subarray(cut))]).toEqual(REPLIES);
  }
  const bytewise = new RespReplies();
  expect([...BYTES].flatMap((byte) => bytewise.push(Uint8Array.of(byte)))).toEqual(REPLIES);
});

test('bytes that are no reply are an error', () => {
  expect(() => new RespReplies().push(Buffer.from('HTTP/1.1 200\r\n'))).toThrow(/no RESP reply/);
});

test('requests are arrays of bulk strings', () => {
  expect(Buffer.from(encodeRequest(['GET', 'k'])).toString()).toBe('*2\r\n$3\r\nGET\r\n$1\r\nk\r\n');
});

test('E71 only refusals before the append count as failed; what may have happened is unknown', () => {
  const status = (text: string) => interpretReply(get('k'), { kind: 'error', text })?.status ?? null;
  expect(status('TRYAGAIN overloaded')).toBe('fail');
  expect(status('CLUSTERDOWN no leader')).toBe('fail');
  expect(status('OUTCOMEUNKNOWN leader lost')).toBe('unknown');
  expect(status('ERR internal error')).toBe(null);
});
