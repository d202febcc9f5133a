/** What an item counts against its shard's budget: a function of replicated state alone. */

/** Stands for the item's header, its place in the index and its share of garbage. */
export const ITEM_CHARGE_BYTES = 16;

export function chargeOf(keyBytes: number, valueBytes: number): number {
  return keyBytes + valueBytes + ITEM_CHARGE_BYTES;
}
