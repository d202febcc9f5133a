/** Rules of the change feed, each broken in one place; the readers that every run has must see it. */
import type { ArenaOptions, Mutant } from './mutant.js';

const SNAPSHOTS: ArenaOptions = {
  kind: 'node',
  faults: ['long_crash', 'partition', 'crash'],
  swarm: { nodes: 3, checkpointEntries: 16, checkpointBytes: 4096 },
};

export const FEED_MUTANTS: readonly Mutant[] = [
  {
    name: 'feed-overrun-not-told',
    rule: 'a reader whose next event is gone is told so',
    arena: SNAPSHOTS,
    file: 'src/kv/feed.ts',
    find: 'from.index < window.baseIndex || from.version < this.baseVersion)',
    replace: 'from.version < this.baseVersion - 5)',
  },
  {
    name: 'feed-goes-on-over-snapshot',
    rule: 'events before a snapshot are not told as those behind it',
    arena: SNAPSHOTS,
    file: 'src/kv/feed.ts',
    find: '    this.window.clear(index);\n    this.termFrom.length',
    replace: '    this.termFrom.length',
  },
  {
    name: 'feed-calls-nobody',
    rule: 'a reader at the end is called when there is more',
    arena: { kind: 'node', faults: ['transfer', 'crash'] },
    file: 'src/group/replica.ts',
    find: '      this.feed.afterSlice();\n',
    replace: '',
  },
];
