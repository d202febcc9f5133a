import type { ByteWriter } from '../base/index.js';
import type { Machine } from '../group/index.js';
import { MetaMachine } from '../meta/index.js';
import { putFailed } from '../kv/index.js';

/** Group 0's state machine as a replica wants it: nothing expires there, and nobody reads it by command. */
export class MetaReplicaMachine extends MetaMachine implements Machine {
  read(_bytes: Uint8Array, _start: number, _end: number, _nowMs: number, out: ByteWriter): 'done' {
    putFailed(out, 'INVALID_ARGUMENT', 'group 0 holds no keys', 0);
    return 'done';
  }

  readAt(_bytes: Uint8Array, _start: number, _end: number, _stampMs: number, out: ByteWriter): void {
    this.read(_bytes, _start, _end, _stampMs, out);
  }

  nextDueMs(): number {
    return Infinity;
  }

  encodeReap(): number {
    return 0;
  }
}
