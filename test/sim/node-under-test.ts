/** The real node, as the server builds it, or with one rule of its consensus core broken on purpose. */
import { createNode, type CreateNode } from '../../src/node/index.js';
import { createRaft } from '../../src/raft/index.js';
import { breakRaft, type BreakRule } from './break-rules.js';

export function nodeUnderTest(rule: BreakRule | null): CreateNode {
  if (rule === null) return createNode;
  const seams = { createRaft: breakRaft(createRaft, rule) };
  return (ports, settings) => createNode(ports, settings, seams);
}
