/**
 * Where a search may stand: the key's state, which of the open operations are not placed yet, and what was used of the
 * unknown ones. One configuration covers another when everything that can still be explained from the other can be
 * explained from it; a frontier keeps only those that no other one covers.
 */
import type { KeyState } from './check-key-model.js';
import { usesNoMore, type Used } from './linearization-unknowns.js';

export interface Configuration {
  readonly state: KeyState;
  /** Certain operations that were called and are not placed, by number. */
  readonly open: readonly number[];
  readonly used: Used;
  /** The unknown operation (its kind) that led here from `from`, and that no other one has needed yet. */
  readonly via: { readonly from: Configuration; readonly kind: number } | null;
  /** Another one that was found later covers it. */
  isCovered: boolean;
}

/** Times up to `nowNs` have become alike before (`canonical`). */
export function coversState(a: KeyState, b: KeyState, nowNs: number): boolean {
  if (a.floor > b.floor) return false;
  // What may go can go.
  if (b.value === null) return a.value === null || a.earliestNs <= nowNs;
  if (a.value !== b.value || a.earliestNs > b.earliestNs || a.latestNs < b.latestNs) return false;
  // Only what ends can be persisted.
  if ((a.earliestNs === Infinity) !== (b.earliestNs === Infinity)) return false;
  return a.version === b.version || (a.version === null && a.floor < (b.version as number));
}

export class Frontier {
  private readonly byOpen = new Map<string, Configuration[]>();

  constructor(private readonly nowNs: number) {}

  /** false when another one covers it. */
  add(added: Configuration): boolean {
    const key = added.open.join(' ');
    const known = this.byOpen.get(key);
    if (known === undefined) {
      this.byOpen.set(key, [added]);
      return true;
    }
    for (const other of known) if (this.covers(other, added)) return false;
    let kept = 0;
    for (const other of known) {
      if (this.covers(added, other)) other.isCovered = true;
      else known[kept++] = other;
    }
    known.length = kept;
    known.push(added);
    return true;
  }

  all(): Configuration[] {
    return [...this.byOpen.values()].flat();
  }

  private covers(a: Configuration, b: Configuration): boolean {
    return usesNoMore(a.used, b.used) && coversState(a.state, b.state, this.nowNs);
  }
}
