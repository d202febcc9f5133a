/** Breaks the rule: knows a higher level, if only its types, which no compiled file shows. */
import type { Shard } from '../kv/index.js';

export interface Everything {
  readonly shard: Shard;
}
