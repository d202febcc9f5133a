import { expect, test } from 'vitest';
import { advertisedAddress, advertisedResp } from '../../../src/node/addresses.js';

test.each([
  ['0.0.0.0:7600', '', '0.0.0.0:7600'],
  ['0.0.0.0:7600', 'node1.example', 'node1.example:7600'],
  ['[::]:7600', '10.0.0.1', '10.0.0.1:7600'],
  ['0.0.0.0:7600', 'fe80::1', '[fe80::1]:7600'],
  ['0.0.0.0:7600', '[fe80::1]', '[fe80::1]:7600'],
])('%s advertised as "%s" is %s', (listening, host, expected) => {
  expect(advertisedAddress(listening, host)).toBe(expected);
});

test('of the RESP listeners of one routing the first is told, empty when there is none', () => {
  const listeners = [
    { address: '0.0.0.0:1', routing: 'moved', advertise: 'cache.example:7001' },
    { address: '0.0.0.0:2', routing: 'forward', advertise: '' },
    { address: '0.0.0.0:3', routing: 'moved', advertise: '' },
  ] as const;
  expect(advertisedResp(listeners, 'moved', 'node1.example')).toBe('cache.example:7001');
  expect(advertisedResp(listeners, 'forward', 'node1.example')).toBe('node1.example:2');
  expect(advertisedResp(listeners.slice(2), 'forward', '')).toBe('');
});
