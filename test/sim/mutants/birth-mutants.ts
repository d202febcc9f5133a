/** Rules about replicas that were removed, each broken in one place: what a late message or a restart must not bring back. */
import type { ArenaOptions, Mutant } from './mutant.js';

const BIRTHS: ArenaOptions = { kind: 'births' };

export const BIRTH_MUTANTS: readonly Mutant[] = [
  {
    name: 'no-tombstone',
    rule: 'a removed replica leaves a tombstone, which outlives the process',
    arena: BIRTHS,
    file: 'src/storage/log-store.ts',
    find: '    this.records.tombstone(group, log.replica);\n    this.batch.put();\n',
    replace: '',
  },
  {
    name: 'tombstone-ignored',
    rule: 'a late message does not bring a removed replica back: it would vote and acknowledge with an empty disk',
    arena: BIRTHS,
    file: 'src/node/lifecycle.ts',
    find: 'if (this.busy.has(group) || to <= store.tombstoneOf(group)) return;',
    replace: 'if (this.busy.has(group)) return;',
    without: [
      {
        file: 'src/storage/log-store.ts',
        find: '      replica > tombstone,\n',
        replace: '      replica > 0,\n',
      },
    ],
  },
  {
    name: 'removal-without-confirmation',
    rule: 'a replica is deleted only when group 0 confirms that it is no member',
    arena: BIRTHS,
    file: 'src/node/lifecycle.ts',
    find: 'if (known !== null && confirmsRemoval(known, doubt)) this.destroy',
    replace: 'if (known !== null) this.destroy',
  },
];
