import { expect, test } from 'vitest';
import { advertisedAddress } from '../../../src/node/addresses.js';

test.each([
  ['0.0.0.0:7600', '', '0.0.0.0:7600'],
  ['0.0.0.0:7600', 'node1.example', 'node1.example:7600'],
  ['[::]:7600', '10.0.0.1', '10.0.0.1:7600'],
  ['0.0.0.0:7600', 'fe80::1', '[fe80::1]:7600'],
  ['0.0.0.0:7600', '[fe80::1]', '[fe80::1]:7600'],
])('%s advertised as "%s" is %s', (listening, host, expected) => {
  expect(advertisedAddress(listening, host)).toBe(expected);
});
