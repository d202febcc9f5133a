/**
 * How the nodes' memory is shared out to the shards (docs/decisions/0011-budgets.md). Pure: from what group 0 knows and
 * what nodes and leaders reported to the shares that may be written now.
 *
 * Invariant: after any answer, on every node that is limited, the sum over its replicas of the larger of share written,
 * budget in force and memory in use is not above the node's limit, as far as that was so before; and only what is known
 * to be free is given. A limit that shrank, or a replica that came, is followed by shrinking shares first.
 */
import type { GroupId, NodeId } from '../base/index.js';
import type { MemoryShare, MetaShard, NewShare } from '../meta/index.js';

/** Of the memory limit so much is kept back for garbage and index beyond the items' charges. */
const OVERHEAD_RATIO = 1 / 16;
/** A shard keeps this much, where its nodes can give it. */
const FLOOR_BYTES = 1024 * 1024;
const FLOOR_ITEMS = 64;
/** A table can address no more small items than this. */
const SHARD_BYTES_MAX = 3.5 * 1024 ** 3;
/** Of a limit so much is divided evenly, the rest by use. */
const EVEN_RATIO = 1 / 4;
/** A shard at its budget wants more than it uses. */
const WANT_RATIO = 1.25;
const FULL_RATIO = 0.9;
/** Differences below this are left alone. */
const MOVE_RATIO = 0.1;

/** 0: no limit. */
export interface NodeLimits {
  readonly bytesMax: number;
  readonly itemsMax: number;
}

/** What the leader of a shard told last. */
export interface ShardUse {
  readonly charge: number;
  readonly items: number;
  readonly budgetVersion: number;
  readonly budgetBytes: number;
  readonly budgetItems: number;
}

export interface ShareInputs {
  readonly shards: readonly MetaShard[];
  readonly shares: readonly MemoryShare[];
  /** Of the nodes that told them. */
  readonly limits: ReadonlyMap<NodeId, NodeLimits>;
  readonly uses: ReadonlyMap<GroupId, ShardUse>;
}

/** The shares to write now, those alone that change. Empty: nothing to do. */
export function nextShares(inputs: ShareInputs): NewShare[] {
  const byBytes = divide(inputs, BYTES);
  const byItems = divide(inputs, ITEMS);
  const shares = new Map(inputs.shares.map((share) => [share.group, share]));
  const changed: NewShare[] = [];
  for (const { id: group } of inputs.shards) {
    const known = shares.get(group);
    const bytesMax = byBytes.get(group) ?? known?.bytesMax ?? 0;
    const itemsMax = byItems.get(group) ?? known?.itemsMax ?? 0;
    if (bytesMax !== (known?.bytesMax ?? 0) || itemsMax !== (known?.itemsMax ?? 0))
      changed.push({ group, bytesMax, itemsMax });
  }
  return changed;
}

/** One of the two things that are limited. */
interface Dimension {
  readonly limitOf: (limits: NodeLimits) => number;
  readonly shareOf: (share: MemoryShare) => number;
  readonly useOf: (use: ShardUse) => number;
  readonly budgetOf: (use: ShardUse) => number;
  readonly floor: number;
  readonly ceiling: number;
}

const BYTES: Dimension = {
  limitOf: ({ bytesMax }) => Math.floor(bytesMax * (1 - OVERHEAD_RATIO)),
  shareOf: ({ bytesMax }) => bytesMax,
  useOf: ({ charge }) => charge,
  budgetOf: ({ budgetBytes }) => budgetBytes,
  floor: FLOOR_BYTES,
  ceiling: SHARD_BYTES_MAX,
};
const ITEMS: Dimension = {
  limitOf: ({ itemsMax }) => itemsMax,
  shareOf: ({ itemsMax }) => itemsMax,
  useOf: ({ items }) => items,
  budgetOf: ({ budgetItems }) => budgetItems,
  floor: FLOOR_ITEMS,
  ceiling: Number.MAX_SAFE_INTEGER,
};

function divide(inputs: ShareInputs, d: Dimension): Map<GroupId, number> {
  const { shards, limits, uses } = inputs;
  const shares = new Map(inputs.shares.map((share) => [share.group, share]));
  const present = (group: GroupId): number => {
    const share = shares.get(group);
    return share === undefined ? 0 : d.shareOf(share);
  };
  const onNode = groupsByNode(shards);
  const targets = targetsOf(inputs, d, onNode, present);

  // What is taken on each node: nobody's memory is given away before its leader confirmed that it is free.
  const taken = new Map<NodeId, number>();
  const isSettled = (group: GroupId): boolean => {
    const share = shares.get(group);
    const use = uses.get(group);
    return share === undefined || (use !== undefined && use.budgetVersion >= share.version);
  };
  const next = new Map<GroupId, number>();
  for (const { id: group } of shards) {
    const [target, now] = [targets.get(group), present(group)];
    if (target === undefined) continue;
    if (target === 0) {
      if (now !== 0) next.set(group, 0); // none of its nodes is limited any more
    } else if (now === 0 || target < now * (1 - MOVE_RATIO)) next.set(group, target);
  }
  for (const [node, groups] of onNode) {
    let sum = 0;
    for (const group of groups) {
      const use = uses.get(group);
      const written = Math.max(present(group), next.get(group) ?? 0);
      sum += use === undefined ? written : Math.max(written, d.budgetOf(use), d.useOf(use));
    }
    taken.set(node, sum);
  }
  for (const { id: group, replicas } of shards) {
    const [target, now] = [targets.get(group) ?? 0, present(group)];
    if (now === 0 || target <= now * (1 + MOVE_RATIO)) continue;
    let room = target - now;
    for (const { node } of replicas) {
      const limit = limitOn(limits, node, d);
      if (limit === 0) continue;
      const isKnown = limit !== null && (onNode.get(node) ?? []).every(isSettled);
      room = isKnown ? Math.min(room, limit - (taken.get(node) ?? 0)) : 0;
    }
    if (room < now * MOVE_RATIO) continue;
    next.set(group, Math.floor(now + room));
    for (const { node } of replicas) taken.set(node, (taken.get(node) ?? 0) + room);
  }
  return next;
}

/** What each shard is to have in the end: the least that its nodes give it; 0 for no limit; absent where nothing is known. */
function targetsOf(
  { limits, uses }: ShareInputs,
  d: Dimension,
  onNode: ReadonlyMap<NodeId, readonly GroupId[]>,
  present: (group: GroupId) => number,
): Map<GroupId, number> {
  const wanted = (group: GroupId): number => {
    const use = uses.get(group);
    if (use === undefined) return present(group);
    const isFull = d.useOf(use) >= FULL_RATIO * d.budgetOf(use) && d.budgetOf(use) > 0;
    return d.useOf(use) * (isFull ? WANT_RATIO : 1);
  };
  const targets = new Map<GroupId, number>();
  for (const [node, groups] of onNode) {
    const limit = limitOn(limits, node, d);
    if (limit === null) continue;
    const floor = Math.min(d.floor, Math.floor(limit / groups.length));
    const free = limit - floor * groups.length;
    const sum = groups.reduce((total, group) => total + wanted(group), 0);
    for (const group of groups) {
      const even = free / groups.length;
      const byUse = sum === 0 ? even : (free * wanted(group)) / sum;
      const given = limit === 0 ? 0 : Math.floor(floor + even * EVEN_RATIO + byUse * (1 - EVEN_RATIO));
      // A limit below one for each replica would read as none at all.
      const capped = limit === 0 ? 0 : Math.max(1, Math.min(given, d.ceiling));
      const known = targets.get(group);
      if (known === undefined || known === 0 || (capped !== 0 && capped < known)) targets.set(group, capped);
    }
  }
  return targets;
}

function limitOn(limits: ReadonlyMap<NodeId, NodeLimits>, node: NodeId, d: Dimension): number | null {
  const known = limits.get(node);
  return known === undefined ? null : d.limitOf(known);
}

function groupsByNode(shards: readonly MetaShard[]): Map<NodeId, GroupId[]> {
  const onNode = new Map<NodeId, GroupId[]>();
  for (const { id, replicas } of shards) {
    for (const { node } of replicas) {
      const groups = onNode.get(node);
      if (groups === undefined) onNode.set(node, [id]);
      else if (groups.at(-1) !== id) groups.push(id);
    }
  }
  return onNode;
}
