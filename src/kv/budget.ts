/**
 * A shard's budget, part of its replicated state, and the commands that have to do with it: `set_budget` moves it,
 * `evict` drops the items that the leader chose. Invariant: the version never goes back, so that a late or repeated
 * `set_budget` of an earlier share changes nothing.
 */
import type { ByteWriter } from '../base/index.js';
import { beginCommand, beginMany, Op } from './command.js';
import { EventKind } from './feed-events.js';
import { expectEnd } from './operands.js';
import { readItemNames } from './reap.js';
import { putInt } from './result.js';
import type { Run } from './run.js';
import type { ItemName } from './table.js';

export interface Budget {
  /** Of the share in group 0 that it came from; 0 before the first. */
  readonly version: number;
  /** The most that the items' charges may sum to; 0: no limit. */
  readonly bytesMax: number;
  /** 0: no limit. */
  readonly itemsMax: number;
}

export const NO_BUDGET: Budget = { version: 0, bytesMax: 0, itemsMax: 0 };

export function encodeEvict(w: ByteWriter, items: readonly ItemName[]): void {
  beginMany(w, Op.evict, items.length);
  for (const item of items) {
    w.u64(item.hash);
    w.u64(item.version);
  }
}

export function encodeSetBudget(w: ByteWriter, budget: Budget): void {
  beginCommand(w, Op.setBudget);
  w.u64(budget.version);
  w.u64(budget.bytesMax);
  w.u64(budget.itemsMax);
}

/** Drops items that are still of the named version: what was written again since the leader chose it stays. */
export function runEvict(run: Run): void {
  const { reader, state } = run;
  const count = readItemNames(reader, 'evict');
  let dropped = 0;
  for (let i = 0; i < count; i++) {
    const hash = reader.u64();
    const version = reader.u64();
    if (!state.table.findVersion(hash, version, state.found)) continue;
    state.removeFound(EventKind.evicted);
    dropped++;
  }
  putInt(run.out, dropped);
}

/** The result is the version in force. */
export function runSetBudget(run: Run): void {
  const { reader, state } = run;
  const budget: Budget = { version: reader.u64(), bytesMax: reader.u64(), itemsMax: reader.u64() };
  expectEnd(reader);
  if (budget.version > state.budget.version) state.budget = budget;
  putInt(run.out, state.budget.version);
}
