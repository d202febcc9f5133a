/**
 * The log store alone on a disk that crashes and lies: random changes to two groups, flushes, power loss, batches that
 * the store drops without a word, and values that are read back wrong. What is recovered of a replica that is not
 * suspect must be a state that a flush left, not older than the last acknowledged one; and nobody is suspect unless
 * the disk lied.
 */
import { must, Prng } from '../../../src/base/index.js';
import { readRecordKey, RecordKind } from '../../../src/codec/index.js';
import type { Entry, HardState } from '../../../src/raft/index.js';
import type { LogStore } from '../../../src/storage/index.js';
import {
  CONFIGURATION,
  fetchAll,
  makeEntry,
  STORE,
  StorageWorld,
  textOf,
} from '../../unit/storage/harness.js';

const GROUPS = [1, 2];
const LIVES = 4;
const STEPS_MAX = 60;

/** The log store gave back what it must not. */
export class DiskViolation extends Error {
  override readonly name = 'DiskViolation';

  constructor(
    readonly rule: string,
    what: string,
  ) {
    super(`${rule}: ${what}`);
  }
}

interface GroupModel {
  hardState: HardState;
  entries: Entry[];
}
type Model = Map<number, GroupModel>;
/** Text of each group, as it stood at one flush. */
type State = ReadonlyMap<number, string>;

export function runDiskArena(seed: number): void {
  const prng = new Prng(seed);
  const world = new StorageWorld(seed);
  const model: Model = new Map();
  let log = world.open();
  for (let life = 0; life < LIVES; life++) {
    const possible = live(world, prng, log, model);
    const lied = prng.chance(0.4) && lie(world, prng);
    log = world.reopen(lied || prng.chance(0.5) ? 'kill' : 'power');
    check(world, log, possible(), lied);
    if (log.recovered.groups.some((group) => group.suspect !== null)) return;
    revive(world, log, model);
  }
}

/** Changes and flushes for a while; the states that may be found after it, which a flush still under way narrows. */
function live(world: StorageWorld, prng: Prng, log: LogStore, model: Model): () => readonly State[] {
  let possible = [stateOf(model)];
  const steps = prng.below(STEPS_MAX);
  for (let i = 0; i < steps; i++) {
    for (let k = 1 + prng.below(3); k > 0; k--) change(prng, log, model);
    if (!log.writing && log.dirty) {
      const state = stateOf(model);
      possible.push(state);
      log.flush((error) => {
        if (error) throw error;
        possible = possible.slice(possible.lastIndexOf(state));
      });
    }
    if (prng.chance(0.8)) world.loop.runUntil(world.loop.now() + prng.unit());
  }
  if (prng.chance(0.5)) world.settle();
  return () => possible;
}

function change(prng: Prng, log: LogStore, model: Model): void {
  const id = prng.pick(GROUPS);
  let group = model.get(id);
  if (!group) {
    group = { hardState: { term: 0, vote: 0, commit: 0 }, entries: [] };
    log.createGroup(id, 10 * id, CONFIGURATION);
    model.set(id, group);
    return;
  }
  const { term, vote, commit } = group.hardState;
  const last = group.entries.length;
  if (prng.chance(0.2)) {
    group.hardState = { term: term + 1, vote: prng.below(4), commit: commit + prng.below(last - commit + 1) };
  } else {
    // At the end, or over a suffix that is not committed: shorter than what it replaces, as often as not.
    const from = prng.chance(0.4) ? commit + 1 + prng.below(last - commit + 1) : last + 1;
    const now = Math.max(term, 1) + (from <= last ? 1 : 0);
    const count = 1 + prng.below(3);
    const entries = Array.from({ length: count }, (_, i) => makeEntry(from + i, now, `${id} ${prng.u32()}`));
    group.entries = [...group.entries.slice(0, from - 1), ...entries];
    group.hardState = { term: now, vote, commit };
    log.append(id, entries);
  }
  log.saveHardState(id, group.hardState);
}

/** False when there was nothing to lie about. */
function lie(world: StorageWorld, prng: Prng): boolean {
  world.settle();
  if (prng.chance(0.5)) return world.disk.flipStoreBit(STORE);
  const at = { group: 0, kind: 0, index: 0 };
  const isEntry = (key: Uint8Array): boolean => readRecordKey(key, at) && at.kind === RecordKind.entry;
  return world.disk.flipStoredValue(STORE, isEntry);
}

function check(world: StorageWorld, log: LogStore, possible: readonly State[], lied: boolean): void {
  const whole = new Map<number, string>();
  for (const group of log.recovered.groups) {
    if (group.suspect === null) {
      const entries = fetchAll(world, log, group.group, group.truncatedIndex + 1, group.lastIndex + 1);
      whole.set(group.group, describe(group.hardState, entries));
    } else if (!lied) {
      throw new DiskViolation('suspect only with cause', `group ${group.group}: ${group.suspect}`);
    }
  }
  const fits = (state: State): boolean => [...whole].every(([id, text]) => state.get(id) === text);
  if (possible.some(fits)) return;
  const rule = lied ? 'damage is noticed' : 'durability';
  throw new DiskViolation(
    rule,
    `recovered ${[...whole.values()].join(' | ')}, which is no state that was acknowledged`,
  );
}

/** The next life goes on from what was found. */
function revive(world: StorageWorld, log: LogStore, model: Model): void {
  model.clear();
  for (const { group, hardState, lastIndex } of log.recovered.groups) {
    model.set(group, { hardState, entries: fetchAll(world, log, group, 1, lastIndex + 1) });
  }
}

function stateOf(model: Model): State {
  return new Map(
    [...model.keys()].map((id) => {
      const { hardState, entries } = must(model.get(id), 'group');
      return [id, describe(hardState, entries)];
    }),
  );
}

function describe({ term, vote, commit }: HardState, entries: readonly Entry[]): string {
  return `${term} ${vote} ${commit} ${entries.map((e) => `${e.index}@${e.term} ${textOf(e)}`).join(', ')}`;
}
