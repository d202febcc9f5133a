/**
 * Operations with unknown outcome, as a supply: each may be used once, at any time after its call, or never. Those
 * that do the same from now on are one kind, and only how many of a kind were used makes a difference. Kinds become
 * one as time goes by: when a value has no reader left, when a time to live is over, when a call is so old that
 * nothing that expires can be older.
 *
 * What a configuration has used is a sparse list, sorted by kind: [kind, count, kind, count, ...].
 */
import type { HistoryLine } from './history-record.js';
import { lifetime, type ExpiryBounds } from './check-key-model.js';
import { JUNK, type KeyFacts } from './linearization-facts.js';

export type Used = readonly number[];
export const NOTHING_USED: Used = [];

interface Kind {
  readonly number: number;
  readonly line: HistoryLine;
  left: number;
  does: string;
  /** It may become the same as another one. */
  mayJoin: boolean;
}

export class UnknownKinds {
  private readonly kinds = new Map<number, Kind>();
  private readonly byDoing = new Map<string, Kind>();
  private nextNumber = 1;
  /** Until this moment everything that is placed from now on may still happen. */
  private nowNs = 0;
  private oldestLatestNs = Infinity;

  constructor(
    private readonly facts: KeyFacts,
    private readonly bounds: ExpiryBounds,
  ) {}

  add(line: HistoryLine): void {
    const does = this.describe(line);
    const known = this.byDoing.get(does);
    if (known) {
      known.left++;
      return;
    }
    const kind = { number: this.nextNumber++, line, left: 1, does, mayJoin: true };
    this.kinds.set(kind.number, kind);
    this.byDoing.set(does, kind);
  }

  all(): Iterable<Kind> {
    return this.kinds.values();
  }

  line(number: number): HistoryLine {
    return (this.kinds.get(number) as Kind).line;
  }

  /** Time went on. Returns which kinds became another one, or null when none did. */
  advance(nowNs: number, oldestLatestNs: number): Map<number, number> | null {
    this.nowNs = nowNs;
    this.oldestLatestNs = oldestLatestNs;
    let joined: Map<number, number> | null = null;
    for (const kind of this.kinds.values()) {
      if (!kind.mayJoin) continue;
      const does = this.describe(kind.line);
      kind.mayJoin = this.mayJoin(kind.line);
      if (does === kind.does) continue;
      this.byDoing.delete(kind.does);
      kind.does = does;
      const other = this.byDoing.get(does);
      if (other === undefined) {
        this.byDoing.set(does, kind);
        continue;
      }
      other.left += kind.left;
      this.kinds.delete(kind.number);
      joined ??= new Map<number, number>();
      joined.set(kind.number, other.number);
    }
    return joined;
  }

  /** These were used in every configuration: they are gone. */
  consume(used: Used): void {
    for (let i = 0; i < used.length; i += 2) {
      const kind = this.kinds.get(used[i] as number) as Kind;
      kind.left -= used[i + 1] as number;
      if (kind.left > 0) continue;
      this.kinds.delete(kind.number);
      this.byDoing.delete(kind.does);
    }
  }

  /** Whether somebody could find what nobody can find who is called after `latestNs`. */
  mayFind(latestNs: number): boolean {
    for (const { line } of this.kinds.values())
      if (needsPresence(line) && line.call_ns <= latestNs) return true;
    return false;
  }

  /** Two lines with one description do the same from now on. */
  private describe(line: HistoryLine): string {
    const { op, expected, expected_version: wanted, version } = line;
    const value = line.value !== null && this.facts.isJunk(String(line.value)) ? JUNK : line.value;
    const { earliestNs } = lifetime(line, this.bounds);
    const ends = earliestNs <= this.nowNs ? 0 : earliestNs;
    const isOld = !needsPresence(line) || line.call_ns <= this.oldestLatestNs;
    const calledNs = isOld ? 0 : line.call_ns;
    return `${op} ${value} ${expected} ${wanted} ${version} ${ends} ${calledNs}`;
  }

  private mayJoin(line: HistoryLine): boolean {
    const isNamed = line.value !== null && !this.facts.counts && !this.facts.isJunk(String(line.value));
    const { earliestNs } = lifetime(line, this.bounds);
    const ends = earliestNs !== Infinity && earliestNs > this.nowNs;
    return isNamed || ends || (this.facts.expires && needsPresence(line));
  }
}

function needsPresence({ op, expected_version: wanted, expected }: HistoryLine): boolean {
  switch (op) {
    case 'put':
    case 'put_if_absent':
    case 'get':
      return false;
    case 'cas':
    case 'cad':
      return wanted === undefined ? expected !== null : wanted !== 0;
    default:
      return true;
  }
}

export function usedOf(used: Used, kind: number): number {
  for (let i = 0; i < used.length; i += 2) if (used[i] === kind) return used[i + 1] as number;
  return 0;
}

export function use(used: Used, kind: number): Used {
  const next = [...used];
  for (let i = 0; i < next.length; i += 2) {
    if (next[i] === kind) {
      next[i + 1] = (next[i + 1] as number) + 1;
      return next;
    }
    if ((next[i] as number) > kind) {
      next.splice(i, 0, kind, 1);
      return next;
    }
  }
  next.push(kind, 1);
  return next;
}

/** Whether `a` used no more of any kind than `b`. */
export function usesNoMore(a: Used, b: Used): boolean {
  if (a.length > b.length) return false;
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    while (j < b.length && (b[j] as number) < (a[i] as number)) j += 2;
    if (j >= b.length || b[j] !== a[i] || (b[j + 1] as number) < (a[i + 1] as number)) return false;
    j += 2;
  }
  return true;
}

export function joinKinds(used: Used, joined: ReadonlyMap<number, number>): Used {
  if (!used.some((kind, i) => i % 2 === 0 && joined.has(kind))) return used;
  const counts = new Map<number, number>();
  for (let i = 0; i < used.length; i += 2) {
    let kind = used[i] as number;
    for (let to = joined.get(kind); to !== undefined; to = joined.get(kind)) kind = to;
    counts.set(kind, (counts.get(kind) ?? 0) + (used[i + 1] as number));
  }
  return [...counts].sort((a, b) => a[0] - b[0]).flat();
}

/** What both used; and, of `used`, what is not in `common`. */
export function commonUse(a: Used, b: Used): Used {
  const common: number[] = [];
  for (let i = 0; i < a.length; i += 2) {
    const count = Math.min(a[i + 1] as number, usedOf(b, a[i] as number));
    if (count > 0) common.push(a[i] as number, count);
  }
  return common;
}

export function withoutUse(used: Used, common: Used): Used {
  const left: number[] = [];
  for (let i = 0; i < used.length; i += 2) {
    const count = (used[i + 1] as number) - usedOf(common, used[i] as number);
    if (count > 0) left.push(used[i] as number, count);
  }
  return left;
}
