/**
 * One item as the table takes and gives it: a reusable view, so that neither a read nor a write allocates for it.
 * Whoever holds an `Item` keeps the bytes it points to alive, and reads it before the next call that fills it
 * or changes the table.
 */
import { EMPTY_BYTES } from '../base/index.js';

export class Item {
  /** The table's hash of the key. */
  hash = 0;
  /** Grows within a shard with every mutation; at least 1. */
  version = 0;
  /** Milliseconds since the epoch at which the item is gone; 0 never. */
  expiryMs = 0;
  /** How often it was read lately, 0 to 3; local to a replica, no part of the state. Only what a table gives has it. */
  touches = 0;
  /** Where the table keeps it: its own, valid until the table changes. */
  position = 0;
  keyBytes: Uint8Array = EMPTY_BYTES;
  keyStart = 0;
  keyEnd = 0;
  valueBytes: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueEnd = 0;

  setKey(bytes: Uint8Array, start: number, end: number): void {
    this.keyBytes = bytes;
    this.keyStart = start;
    this.keyEnd = end;
  }

  setValue(bytes: Uint8Array, start: number, end: number): void {
    this.valueBytes = bytes;
    this.valueStart = start;
    this.valueEnd = end;
  }

  /** Lets go of the bytes it points to: they keep an arena of the table's alive. */
  forget(): void {
    this.setKey(EMPTY_BYTES, 0, 0);
    this.setValue(EMPTY_BYTES, 0, 0);
  }
}
