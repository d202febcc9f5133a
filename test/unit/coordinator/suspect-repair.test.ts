/** Which step replaces a suspect replica next, from the configuration alone. */
import { expect, test } from 'vitest';
import { nextStep, supersededOf } from '../../../src/coordinator/suspect-repair.js';
import type { Configuration } from '../../../src/raft/index.js';

/** Replica N of three lives on node N; replica 2 is the suspect one. */
const BEFORE: Configuration = {
  version: 1,
  highestId: 3,
  voters: [1, 2, 3],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
  homes: [1, 2, 3].map((id) => ({ replica: id, node: id })),
};
const BEGUN: Configuration = {
  ...BEFORE,
  version: 2,
  highestId: 4,
  learners: [4],
  homes: [...BEFORE.homes, { replica: 4, node: 2 }],
};

test('E62 E103 first a learner on the same node, then the exchange in one change', () => {
  expect(nextStep(BEFORE, 2)).toEqual({ expectedVersion: 1, addLearners: [{ replica: 4, node: 2 }] });
  expect(nextStep(BEGUN, 2)).toEqual({ expectedVersion: 2, promote: [4], remove: [2] });
});

test('a successor that is suspect itself goes first, for another learner', () => {
  expect(nextStep(BEGUN, 4)).toEqual({
    expectedVersion: 2,
    addLearners: [{ replica: 5, node: 2 }],
    remove: [4],
  });
});

test('E103 E119 that an exchange was begun shows in the configuration, when the suspect one says nothing any more', () => {
  expect(supersededOf(BEFORE)).toBe(0);
  expect(supersededOf(BEGUN)).toBe(2);
  // A learner on a node of its own is somebody else's business.
  expect(supersededOf({ ...BEGUN, homes: [...BEFORE.homes, { replica: 4, node: 4 }] })).toBe(0);
});

test('a suspect learner is exchanged at once, and only dropped when its successor is there', () => {
  const before: Configuration = { ...BEFORE, voters: [1, 2], learners: [3] };
  expect(nextStep(before, 3)).toEqual({
    expectedVersion: 1,
    addLearners: [{ replica: 4, node: 3 }],
    remove: [3],
  });
  const during = {
    ...before,
    version: 2,
    learners: [3, 4],
    homes: [...before.homes, { replica: 4, node: 3 }],
  };
  expect(nextStep(during, 3)).toEqual({ expectedVersion: 2, addLearners: [], remove: [3] });
});
