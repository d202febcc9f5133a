/**
 * The log store against a plain model: random changes to a few groups, random flushes, and crashes at random
 * moments. What is recovered must be exactly the state after one of the flushes, the last acknowledged one or a
 * later one, for all groups together; and nobody is suspect unless the disk lied.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/index.js';
import type { Entry, HardState } from '../../src/raft/index.js';
import type { CheckpointPointer, LogStore } from '../../src/storage/index.js';
import { CONFIGURATION, fetchAll, makeEntry, STORE, StorageWorld, textOf } from '../unit/storage/harness.js';

interface GroupModel {
  replica: number;
  hardState: HardState;
  truncatedIndex: number;
  truncatedTerm: number;
  entries: Entry[];
  checkpoints: CheckpointPointer[];
}
type Model = Map<number, GroupModel>;

const pointer = (index: number, term: number): CheckpointPointer => ({
  index,
  term,
  file: `${index}-${term}.ckpt`,
});
const lastOf = (group: GroupModel): number => group.truncatedIndex + group.entries.length;
const termOf = (group: GroupModel, index: number): number =>
  index === group.truncatedIndex
    ? group.truncatedTerm
    : (group.entries[index - group.truncatedIndex - 1]?.term ?? 0);

/** One random change, made to the store and to the model. */
function change(prng: Prng, log: LogStore, model: Model): void {
  const id = 1 + prng.below(3);
  let group = model.get(id);
  if (!group) {
    group = {
      replica: 10 * id + prng.below(9),
      hardState: { term: 0, vote: 0, commit: 0 },
      truncatedIndex: 0,
      truncatedTerm: 0,
      entries: [],
      checkpoints: [],
    };
    log.createGroup(id, group.replica, CONFIGURATION);
    model.set(id, group);
    return;
  }
  const { truncatedIndex } = group;
  switch (prng.below(8)) {
    case 0: {
      const { commit } = group.hardState;
      const last = lastOf(group);
      group.hardState = {
        term: group.hardState.term + prng.below(2),
        vote: prng.below(4),
        commit: commit + prng.below(last - commit + 1),
      };
      log.saveHardState(id, group.hardState);
      break;
    }
    case 1: {
      // A snapshot, behind, inside or ahead of the log.
      const index = Math.max(group.hardState.commit, truncatedIndex) + prng.below(20);
      const term = Math.max(group.hardState.term, 1);
      if (index <= truncatedIndex) break;
      group.hardState = { term, vote: 0, commit: index };
      group.truncatedIndex = index;
      group.truncatedTerm = term;
      group.entries = [];
      group.checkpoints = [pointer(index, term)];
      log.installSnapshot(id, { index, term, configuration: CONFIGURATION }, pointer(index, term));
      log.saveHardState(id, group.hardState);
      break;
    }
    case 2: {
      const { commit } = group.hardState;
      const newest = group.checkpoints[0]?.index ?? 0;
      const index = Math.max(newest, truncatedIndex) + 1;
      if (index > commit) break;
      const made = pointer(index, termOf(group, index));
      group.checkpoints = [made, ...group.checkpoints].slice(0, 2);
      log.saveCheckpoint(id, made);
      break;
    }
    case 3: {
      const oldest = group.checkpoints[group.checkpoints.length - 1];
      if (!oldest || oldest.index <= truncatedIndex) break;
      const term = termOf(group, oldest.index);
      log.truncatePrefix(id, oldest.index, term);
      group.entries = group.entries.slice(oldest.index - truncatedIndex);
      group.truncatedTerm = term;
      group.truncatedIndex = oldest.index;
      break;
    }
    default: {
      const low = Math.max(group.hardState.commit, truncatedIndex);
      const from = prng.chance(0.3) ? low + 1 + prng.below(lastOf(group) - low + 1) : lastOf(group) + 1;
      const term = Math.max(group.hardState.term, termOf(group, from - 1), 1);
      const entries = Array.from({ length: 1 + prng.below(5) }, (_, i) =>
        makeEntry(from + i, term, `${id} ${from + i} ${prng.u32()}`),
      );
      group.hardState = { ...group.hardState, term };
      group.entries = [...group.entries.slice(0, from - truncatedIndex - 1), ...entries];
      log.append(id, entries);
      log.saveHardState(id, group.hardState);
    }
  }
}

function describeModel(model: Model): string {
  const rows = [...model].sort(([a], [b]) => a - b);
  return JSON.stringify(
    rows.map(([id, group]) => [
      id,
      group.replica,
      group.hardState,
      group.truncatedIndex,
      group.truncatedTerm,
      group.checkpoints.filter((row) => row.index >= group.truncatedIndex),
      group.entries.map((entry) => [entry.index, entry.term, textOf(entry)]),
    ]),
  );
}

function describeStore(world: StorageWorld, log: LogStore): string {
  return JSON.stringify(
    log.recovered.groups.map((group) => [
      group.group,
      group.replica,
      { term: group.hardState.term, vote: group.hardState.vote, commit: group.hardState.commit },
      group.truncatedIndex,
      group.truncatedTerm,
      group.checkpoints,
      fetchAll(world, log, group.group, group.truncatedIndex + 1, group.lastIndex + 1).map((entry) => [
        entry.index,
        entry.term,
        textOf(entry),
      ]),
    ]),
  );
}

/** Runs changes and flushes for a while; answers the states that a crash now may leave. */
function runLife(world: StorageWorld, prng: Prng, log: LogStore, model: Model): string[] {
  let possible = [describeModel(model)];
  const steps = prng.below(60);
  for (let i = 0; i < steps; i++) {
    for (let k = 1 + prng.below(4); k > 0; k--) change(prng, log, model);
    if (!log.writing && log.dirty) {
      const state = describeModel(model);
      possible.push(state);
      log.flush((error) => {
        if (error) throw error;
        possible = possible.slice(possible.lastIndexOf(state));
      });
    }
    if (prng.chance(0.7)) world.loop.runUntil(world.loop.now() + prng.unit());
  }
  return possible;
}

describe('log store under crashes', () => {
  it('E60 recovers exactly the state of a flush, not older than the last acknowledged one', () => {
    let recoveries = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const prng = new Prng(seed);
      const world = new StorageWorld(seed);
      let log = world.open();
      let model: Model = new Map();
      for (let life = 0; life < 5; life++) {
        const possible = runLife(world, prng, log, model);
        log = world.reopen(prng.chance(0.5) ? 'power' : 'kill');
        recoveries++;
        for (const group of log.recovered.groups) expect(group.suspect, `seed ${seed}`).toBeNull();
        const found = describeStore(world, log);
        expect(possible, `seed ${seed}`).toContain(found);
        model = reviveModel(found);
      }
    }
    expect(recoveries).toBe(300);
  });

  it('E62 whatever run of acknowledged batches the disk silently drops, every replica is suspect', () => {
    let judged = 0;
    for (let seed = 1; seed <= 80; seed++) {
      const prng = new Prng(seed);
      const world = new StorageWorld(seed);
      let log = world.open();
      const model: Model = new Map();
      for (let i = 0; i < 12; i++) change(prng, log, model);
      world.flush(log);
      if (prng.chance(0.5)) log = world.reopen();
      runLife(world, prng, log, model);
      world.settle();
      if (!world.disk.flipStoreBit(STORE)) continue;
      const again = world.reopen('kill');
      for (const group of again.recovered.groups) {
        expect(group.suspect, `seed ${seed}`).not.toBeNull();
        judged++;
      }
    }
    expect(judged).toBeGreaterThan(100);
  });
});

/** The model of a described state: what a new life starts from. */
function reviveModel(state: string): Model {
  const rows = JSON.parse(state) as [
    number,
    number,
    HardState,
    number,
    number,
    CheckpointPointer[],
    [number, number, string][],
  ][];
  return new Map(
    rows.map(([id, replica, hardState, truncatedIndex, truncatedTerm, checkpoints, entries]) => [
      id,
      {
        replica,
        hardState,
        truncatedIndex,
        truncatedTerm,
        checkpoints,
        entries: entries.map(([index, term, text]) => makeEntry(index, term, text)),
      },
    ]),
  );
}
