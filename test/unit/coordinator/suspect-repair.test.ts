/** Which change replaces a suspect replica: a fresh learner on its node first, then the exchange. */
import { expect, test } from 'vitest';
import { nextStep } from '../../../src/coordinator/index.js';
import { makeConfiguration } from '../../support/raft-builders.js';

test('E62 E103 a suspect voter gets a learner on its node, and then gives way to it in one change', () => {
  const before = makeConfiguration([1, 2, 3]);
  expect(nextStep(before, 2)).toEqual({ expectedVersion: 1, addLearners: [{ replica: 4, node: 2 }] });
  const homes = [...before.homes, { replica: 4, node: 2 }];
  const during = makeConfiguration([1, 2, 3], { version: 2, learners: [4], homes });
  expect(nextStep(during, 2)).toEqual({ expectedVersion: 2, promote: [4], remove: [2] });
});

test('a suspect learner is exchanged at once, and only dropped when its successor is there', () => {
  const before = makeConfiguration([1, 2], { learners: [3] });
  expect(nextStep(before, 3)).toEqual({
    expectedVersion: 1,
    addLearners: [{ replica: 4, node: 3 }],
    remove: [3],
  });
  const homes = [...before.homes, { replica: 4, node: 3 }];
  const during = makeConfiguration([1, 2], { version: 2, learners: [3, 4], homes });
  expect(nextStep(during, 3)).toEqual({ expectedVersion: 2, addLearners: [], remove: [3] });
});
