/**
 * What broken transfers left: files `part-FROM-INDEX-TERM-BYTES-CRC`, whose name says which file they are the beginning
 * of (the sender's replica, log index and term, size and CRC of the whole). At most one per group, `COUNT_MAX` on a
 * node, each for `AGE_MS`; whoever is in use stays. Plain bookkeeping: the caller removes what it is told to.
 */
import type { GroupId, LogIndex, MonoMs } from '../base/index.js';
import type { TransferIdentity } from './api.js';

const COUNT_MAX = 16;
const AGE_MS = 15 * 60_000;
const NAME = /^part-\d{1,10}-(\d{1,16})-\d{1,16}-\d{1,16}-[0-9a-f]{8}$/;

export function partialName(transfer: TransferIdentity): string {
  const { from, index, term, bytes, crc } = transfer;
  return `part-${from}-${index}-${term}-${bytes}-${crc.toString(16).padStart(8, '0')}`;
}

/** The log index in a partial file's name; null for any other name. */
function indexOfPartial(name: string): LogIndex | null {
  const match = NAME.exec(name);
  return match === null ? null : Number(match[1]);
}

interface Partial {
  readonly name: string;
  inUse: boolean;
  /** Since when it waits for its transfer to go on. */
  sinceMs: MonoMs;
}

export interface PartialFile {
  readonly group: GroupId;
  readonly name: string;
}

export class PartialFiles {
  private readonly byGroup = new Map<GroupId, Partial>();

  isInUse(group: GroupId): boolean {
    return this.byGroup.get(group)?.inUse === true;
  }

  /** A transfer of the group begins, or goes on. Answers another file's beginning, which is to be removed. */
  use(group: GroupId, name: string): PartialFile | null {
    const old = this.byGroup.get(group);
    this.byGroup.set(group, { name, inUse: true, sinceMs: 0 });
    return old !== undefined && old.name !== name ? { group, name: old.name } : null;
  }

  /** The transfer broke off. Answers whom it takes the place of, when there are too many. */
  keep(group: GroupId, nowMs: MonoMs): PartialFile | null {
    const partial = this.byGroup.get(group);
    if (partial === undefined) return null;
    partial.inUse = false;
    partial.sinceMs = nowMs;
    const idle = [...this.byGroup].filter(([, p]) => !p.inUse);
    if (idle.length <= COUNT_MAX) return null;
    const [oldGroup, oldest] = idle.reduce((a, b) => (b[1].sinceMs < a[1].sinceMs ? b : a));
    this.byGroup.delete(oldGroup);
    return { group: oldGroup, name: oldest.name };
  }

  /** The file is gone: renamed, or removed. */
  forget(group: GroupId): void {
    this.byGroup.delete(group);
  }

  /** Those whose time is over, which are to be removed. */
  takeOld(nowMs: MonoMs): PartialFile[] {
    const old = [...this.byGroup].filter(([, p]) => !p.inUse && nowMs - p.sinceMs > AGE_MS);
    for (const [group] of old) this.byGroup.delete(group);
    return old.map(([group, { name }]) => ({ group, name }));
  }

  /**
   * Whether a file found in a group's folder stays, when its checkpoints reach `newest`. One that an earlier life left
   * is taken into the books, as if its transfer had broken off now.
   */
  stays(group: GroupId, name: string, newest: LogIndex, nowMs: MonoMs): boolean {
    const index = indexOfPartial(name);
    if (index === null) return false;
    const known = this.byGroup.get(group);
    if (known?.name === name && known.inUse) return true;
    if (known !== undefined && known.name !== name) return false;
    if (index <= newest || (known === undefined && this.byGroup.size >= COUNT_MAX)) {
      this.byGroup.delete(group);
      return false;
    }
    if (known === undefined) this.byGroup.set(group, { name, inUse: false, sinceMs: nowMs });
    return true;
  }
}
