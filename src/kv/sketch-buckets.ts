/** What the sketches of reads have in common: their buckets stand in the order of the leading bits of the hash. */

/**
 * The cells spread over another number of buckets: a new bucket takes over the old one that stood in its place. What a
 * cell's full hash was is not known, so a growing table has some cells twice, and a shrinking one loses some.
 */
export function copyBuckets(
  cells: Uint16Array,
  from: number,
  to: number,
  bucketCells: number,
): Uint16Array<ArrayBuffer> {
  const copy = new Uint16Array(to * bucketCells);
  for (let bucket = 0; bucket < to; bucket++) {
    const old = Math.floor(((bucket + 0.5) * from) / to) * bucketCells;
    for (let i = 0; i < bucketCells; i++) copy[bucket * bucketCells + i] = cells[old + i] as number;
  }
  return copy;
}
