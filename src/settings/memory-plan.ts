/**
 * What a node may take besides its tables, by the size of `memory.max`: the process is to stay below
 * `memory.max` x 1.15 + 256 MiB (docs/decisions/0011-budgets.md). About 120 MiB of the 256 are the program's own, as it
 * starts; of what is left, half is divided here, and half stays for what nobody counts: frames, batches, garbage.
 *
 * Invariant: larger budgets never give less, and no part is above what it is without a limit.
 */
const MIB = 1024 * 1024;

const FIXED_BYTES = 64 * MIB;
/** Of the budget itself; less than half of the 15 % that the process may grow by. */
const GROWING_RATIO = 1 / 16;

/**
 * The store holds two of them, and merges tables of this size, at least four of them at a time, by way of memory maps
 * that count as the process's own while it does.
 */
const STORE_BUFFER_BYTES_MIN = 4 * MIB;
const STORE_BUFFER_BYTES_MAX = 64 * MIB;
/** Recent entries of a group's log, to be sent without a look at the disk: one entry at least. */
const TAIL_BYTES_MIN = MIB / 4;
const TAIL_BYTES_MAX = 4 * MIB;
/** Commands that a node holds unanswered: a value of the largest size, at least. */
const INFLIGHT_BYTES_MIN = 8 * MIB;

/** What the engine lets buffers grow by before it looks for dead ones. */
const ENGINE_DEAD_BYTES = 64 * MIB;

/** From here on a fifteenth of the budget is more than what young garbage takes. */
const YOUNG_FREE_FROM_BYTES = 4096 * MIB;

/** A feed with less tells nobody anything for long. */
const FEED_BYTES_MIN = 4 * 1024;

export interface MemoryPlan {
  /** Write buffer of the log's store. */
  readonly storeBufferBytes: number;
  /** Recent log entries of all groups, together; `tailBytesMax` divides them. */
  readonly tailsBytes: number;
  /** Change feeds of all groups, together; `feedBytesMax` divides them. */
  readonly feedsBytes: number;
  readonly inflightBytesMax: number;
  /** Whether the engine's memory for new objects is kept small: with this budget it is worth the time it costs. */
  readonly holdsYoung: boolean;
  /** Growth of buffers after which dead ones are looked for; Infinity: when the engine does by itself. */
  readonly deadBufferBytesMax: number;
}

/** By the setting; 0, and `auto` where nobody says how much the machine has: no limit. */
export function memoryPlan(memoryMax: number | 'auto'): MemoryPlan {
  if (memoryMax === 0 || memoryMax === 'auto')
    return {
      storeBufferBytes: STORE_BUFFER_BYTES_MAX,
      tailsBytes: Infinity,
      feedsBytes: Infinity,
      inflightBytesMax: Infinity,
      holdsYoung: false,
      deadBufferBytesMax: Infinity,
    };
  const free = FIXED_BYTES + memoryMax * GROWING_RATIO;
  return {
    storeBufferBytes: between(STORE_BUFFER_BYTES_MIN, powerBelow(free / 16), STORE_BUFFER_BYTES_MAX),
    tailsBytes: Math.floor(free / 8),
    feedsBytes: Math.floor(free / 16),
    inflightBytesMax: Math.max(INFLIGHT_BYTES_MIN, Math.floor(free / 8)),
    holdsYoung: memoryMax < YOUNG_FREE_FROM_BYTES,
    deadBufferBytesMax: free / 3 < ENGINE_DEAD_BYTES ? Math.floor(free / 3) : Infinity,
  };
}

/** Of each of so many groups. */
export function tailBytesMax({ tailsBytes }: MemoryPlan, groups: number): number {
  return between(TAIL_BYTES_MIN, Math.floor(tailsBytes / Math.max(1, groups)), TAIL_BYTES_MAX);
}

/** Of each of so many groups, where the node's settings allow `settingBytes`. */
export function feedBytesMax({ feedsBytes }: MemoryPlan, groups: number, settingBytes: number): number {
  const share = Math.max(FEED_BYTES_MIN, Math.floor(feedsBytes / Math.max(1, groups)));
  return Math.min(settingBytes, share);
}

function between(low: number, value: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** The largest power of two that is not above it. */
function powerBelow(value: number): number {
  return 2 ** Math.floor(Math.log2(value));
}
