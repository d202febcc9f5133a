/** The higher level. */
export interface Shard {
  readonly keys: number;
}
