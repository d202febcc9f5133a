import { expect, test } from 'vitest';
import {
  decodeMembership,
  decodeNumber,
  decodeText,
  encodeMembership,
  encodeNumber,
  encodeText,
} from '../../../src/node/stored.js';
import { makeState } from '../../support/loop-meta.js';

test('what a node remembers is read back as it was written', () => {
  expect(decodeText(encodeText('instanz-ü'))).toBe('instanz-ü');
  expect(decodeNumber(encodeNumber(Number.MAX_SAFE_INTEGER))).toBe(Number.MAX_SAFE_INTEGER);
  const membership = { clusterId: 'cluster-a', nodeId: 2, state: makeState(3) };
  expect(decodeMembership(encodeMembership(membership))).toEqual(membership);
});

test('values of another version are refused by name', () => {
  for (const bytes of [
    encodeText('x'),
    encodeNumber(1),
    encodeMembership({ clusterId: 'c', nodeId: 1, state: makeState(1) }),
  ]) {
    bytes[0] = 7;
    for (const decode of [decodeText, decodeNumber, decodeMembership])
      expect(() => decode(bytes)).toThrow('version 7');
  }
});

test('values cut short anywhere are refused', () => {
  const bytes = encodeMembership({ clusterId: 'c', nodeId: 1, state: makeState(2) });
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeMembership(bytes.slice(0, length)), `first ${length} bytes`).toThrow();
  }
});
