/** The real node, as the server builds it, or with one rule of its consensus core or of its state machine broken on purpose. */
import { createKv } from '../../src/kv/index.js';
import { createNode } from '../../src/node/index.js';
import { createRaft } from '../../src/raft/index.js';
import { breakRaft, type BreakRule } from './break-rules.js';
import { brokenKv, isKvBug, type KvBug } from './kv-bugs.js';
import type { CreateSimNode } from './world/cluster.js';

export function nodeUnderTest(rule: BreakRule | KvBug | null): CreateSimNode {
  const create = rule === null || isKvBug(rule) ? createRaft : breakRaft(createRaft, rule);
  const createMachine = rule !== null && isKvBug(rule) ? brokenKv.bind(null, rule) : createKv;
  return (ports, settings, onRaft, onKv) =>
    createNode(ports, settings, {
      createRaft: (options, initial) => {
        const raft = create(options, initial);
        onRaft(raft);
        return raft;
      },
      createKv: (options) => {
        const kv = createMachine(options);
        onKv(kv);
        return kv;
      },
    });
}
