/**
 * Remembers, by hash of the key, the highest number of an operation that got its answer, or may have taken effect, before
 * an earlier one of its shard was answered. A refused write is not sent again behind such a later operation on its key: what the caller did first
 * would take effect last. Two keys may share a mark; then a refusal is handed to the caller that could have been
 * tried again, which is always allowed.
 */
const MARKS = 1 << 15;

export class DoneMarks {
  private readonly highest = new Float64Array(MARKS);

  note(key: Uint8Array, number: number): void {
    const mark = markOf(key);
    if ((this.highest[mark] as number) < number) this.highest[mark] = number;
  }

  /** Whether an operation on the key that was called after this one may have taken effect. */
  isOvertaken(key: Uint8Array, number: number): boolean {
    return (this.highest[markOf(key)] as number) > number;
  }
}

/** FNV-1a. */
function markOf(key: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193);
  return (hash ^ (hash >>> 15)) & (MARKS - 1);
}
