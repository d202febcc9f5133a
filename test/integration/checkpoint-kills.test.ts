/** A node killed in the middle of checkpoints loses nothing; a hundred times: `npm run kill:checkpoints`. */
import { afterEach, beforeEach, expect, it } from 'vitest';

import { killDuringCheckpoints } from '../support/checkpoint-kills.js';
import { Sandbox } from '../support/process-cluster.js';

const ROUNDS = 5;

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.close());

it('E50 E51 a node that is killed while it writes checkpoints has everything acknowledged when it starts again', async () => {
  const tally = await killDuringCheckpoints(sandbox, ROUNDS);
  expect(tally.rounds).toBe(ROUNDS);
  expect(tally.files, 'checkpoints were there').toBeGreaterThan(0);
  expect(tally.acknowledged).toBeGreaterThan(1000);
});
