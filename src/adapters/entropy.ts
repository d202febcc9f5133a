/**
 * Unpredictable numbers from the operating system, drawn in blocks: jitter and ids ask often, and a system call for
 * four bytes costs more than the bytes.
 */
import { randomFillSync } from 'node:crypto';

import { assert } from '../base/index.js';
import type { Entropy } from '../ports/index.js';

const BLOCK_WORDS = 256;
const U32_VALUES = 2 ** 32;

export function createSystemEntropy(): Entropy {
  const block = new Uint32Array(BLOCK_WORDS);
  let used = BLOCK_WORDS;
  const u32 = (): number => {
    if (used === BLOCK_WORDS) {
      randomFillSync(block);
      used = 0;
    }
    const word = block[used] as number;
    block[used++] = 0; // drawn once, not left in memory
    return word;
  };
  return {
    u32,
    below(limit) {
      assert(Number.isInteger(limit) && limit > 0 && limit <= U32_VALUES, `entropy: limit ${limit}`);
      // Words in the last, incomplete multiple of the limit would favour small results: draw again.
      const fair = U32_VALUES - (U32_VALUES % limit);
      for (;;) {
        const word = u32();
        if (word < fair) return word % limit;
      }
    },
    bytes(count) {
      return randomFillSync(new Uint8Array(count));
    },
  };
}
