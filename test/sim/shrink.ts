/**
 * From a failing run's faults to the few that it takes: delta debugging (Zeller and Hildebrandt, 2002, "ddmin"). Seeds
 * are fixed, so the faults that are left happen as they did; the story around them changes, and may fail no longer, so
 * every candidate is played. What is left is minimal in that no single one of the last round's parts could be spared.
 */
export interface Shrunk {
  readonly faults: readonly number[];
  readonly runs: number;
  /** False when time was over first: fewer might do. */
  readonly isMinimal: boolean;
}

/** `fails`: plays the run with these faults alone. `isTimeOver` is asked before every run. */
export function shrink(
  all: readonly number[],
  fails: (faults: readonly number[]) => boolean,
  isTimeOver: () => boolean,
): Shrunk {
  let runs = 0;
  let isCut = false;
  const stillFails = (faults: readonly number[]): boolean => {
    isCut ||= isTimeOver();
    if (isCut) return false;
    runs++;
    return fails(faults);
  };
  const result = (faults: readonly number[]): Shrunk => ({ faults, runs, isMinimal: !isCut });
  if (stillFails([])) return result([]);
  let left = [...all];
  let parts = Math.min(2, left.length);
  while (left.length > 1 && !isCut) {
    const chunks = cutInto(left, parts);
    const rests = chunks.map((chunk) => left.filter((fault) => !chunk.includes(fault)));
    // With two parts each is the other's rest.
    const alone = chunks.find(stillFails);
    const rest = alone === undefined && parts > 2 ? rests.find(stillFails) : undefined;
    if (alone !== undefined) {
      left = alone;
      parts = Math.min(2, left.length);
    } else if (rest !== undefined) {
      left = rest;
      parts = Math.max(2, parts - 1);
    } else if (parts < left.length) {
      parts = Math.min(left.length, parts * 2);
    } else break;
  }
  return result(left);
}

/** Consecutive parts whose sizes differ by at most one. */
function cutInto(list: readonly number[], parts: number): number[][] {
  return Array.from({ length: parts }, (_, i) =>
    list.slice(Math.floor((i * list.length) / parts), Math.floor(((i + 1) * list.length) / parts)),
  );
}
