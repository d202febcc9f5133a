/** Rules of the log store, each broken in one place: what a crash or a lying disk must not get past. */
import type { ArenaOptions, Mutant } from './mutant.js';

const DISK: ArenaOptions = { kind: 'disk' };

export const DISK_MUTANTS: readonly Mutant[] = [
  {
    name: 'entry-without-crc',
    rule: 'an entry whose checksum is wrong is never handed out',
    arena: DISK,
    file: 'src/codec/records.ts',
    find: 'if (value.length < ENTRY_DATA_OFFSET || !this.isWhole(key, value)) return null;',
    replace: 'if (value.length < ENTRY_DATA_OFFSET) return null;',
  },
  {
    name: 'watermark-ignored',
    rule: 'a log that ends before the watermark has lost acknowledged batches',
    arena: DISK,
    file: 'src/storage/batch-window.ts',
    find: 'if (scan.last < Math.max(mark, scan.low)) {',
    replace: 'if (scan.last < scan.low) {',
  },
  {
    name: 'batch-gap-ignored',
    rule: 'batches that are missing in the middle make every replica of the node suspect',
    arena: DISK,
    file: 'src/storage/batch-window.ts',
    find: '  if (scan.gap) {\n',
    replace: '  if (scan.gap && scan.low < 0) {\n',
  },
  {
    name: 'write-without-fsync',
    rule: 'what is called durable was fsynced',
    arena: DISK,
    file: 'src/storage/log-store.ts',
    find: 'this.store.write(this.batch.take(), this.parts.sync || concludes, this.onWritten);',
    replace: 'this.store.write(this.batch.take(), concludes, this.onWritten);',
  },
  {
    name: 'replaced-suffix-stays',
    rule: 'what replaces a suffix deletes all of it: no dead entry comes back',
    arena: DISK,
    file: 'src/storage/log-store.ts',
    find: '    for (let dead = index; dead <= log.lastIndex; dead++) this.batch.delEntry(group, dead);\n    log.lastIndex = index - 1;\n',
    replace: '    log.lastIndex = index - 1;\n',
  },
];
