/** The real node, as the server builds it, or with one rule of its consensus core broken on purpose. */
import { createNode } from '../../src/node/index.js';
import { createRaft } from '../../src/raft/index.js';
import { breakRaft, type BreakRule } from './break-rules.js';
import type { CreateSimNode } from './world/cluster.js';

export function nodeUnderTest(rule: BreakRule | null): CreateSimNode {
  const create = rule === null ? createRaft : breakRaft(createRaft, rule);
  return (ports, settings, onRaft) =>
    createNode(ports, settings, {
      createRaft: (options, initial) => {
        const raft = create(options, initial);
        onRaft(raft);
        return raft;
      },
    });
}
