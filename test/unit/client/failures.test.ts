/** What callers are told of failures. */
import { expect, test } from 'vitest';
import { ERROR_REASONS } from '../../../src/base/index.js';
import { errorOf } from '../../../src/client/failures.js';
import type { ClientOperation } from '../../../src/client/operation.js';
import { OperationKind } from '../../../src/codec/cache/index.js';

test.each([
  ['get', 'UNAVAILABLE'],
  ['set', 'OUTCOME_UNKNOWN'],
] as const)('a %s whose entry was left open by a node that stopped is told as %s', (kind, code) => {
  const message = {
    reason: ERROR_REASONS.OUTCOME_UNKNOWN.number,
    message: 'the node is stopping',
    shard: 1,
    leaderNode: 0,
    leaderAddress: '',
    mapVersion: 0,
    retryAfterMs: 0,
  };
  const operation = { kind: OperationKind[kind] } as ClientOperation;
  expect(errorOf(operation, message)).toMatchObject({ code, message: 'the node is stopping' });
});
