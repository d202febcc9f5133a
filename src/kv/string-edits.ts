/**
 * Commands that make a new value out of the present one. The expiry stays. A few bytes of command can make a long value
 * here, so that these have a limit of their own besides the state machine's.
 */
import { GROWN_VALUE_BYTES_MAX } from './command.js';
import { expectEnd, readKey, readValue } from './operands.js';
import { foundValueLength } from './reads.js';
import { KvError, putError, putInt } from './result.js';
import type { Run } from './run.js';

/** An absent key counts as empty; appending nothing to it makes it, empty. */
export function runAppend(run: Run): void {
  const { reader } = run;
  const keyStart = readKey(reader);
  const keyEnd = reader.position;
  const partStart = readValue(reader);
  const partEnd = reader.position;
  expectEnd(reader);

  const exists = run.find(keyStart, keyEnd);
  putSpliced(run, exists, exists ? foundValueLength(run) : 0, partStart, partEnd);
}

/** Overwrites from `offset` on, zero bytes up to there where the value is shorter. With no bytes nothing changes. */
export function runSetRange(run: Run): void {
  const { reader } = run;
  const offset = reader.u32();
  const keyStart = readKey(reader);
  const keyEnd = reader.position;
  const partStart = readValue(reader);
  const partEnd = reader.position;
  expectEnd(reader);

  const exists = run.find(keyStart, keyEnd);
  if (partStart === partEnd) return putInt(run.out, exists ? foundValueLength(run) : 0);
  putSpliced(run, exists, offset, partStart, partEnd);
}

/** Stores the present value with the command's bytes `[partStart, partEnd)` laid over it at `offset`. */
function putSpliced(run: Run, exists: boolean, offset: number, partStart: number, partEnd: number): void {
  const { reader, state } = run;
  const { found, draft } = state;
  const oldLength = exists ? foundValueLength(run) : 0;
  const partLength = partEnd - partStart;
  const length = Math.max(oldLength, offset + partLength);
  if (offset + partLength > Math.min(run.valueBytesMax, GROWN_VALUE_BYTES_MAX)) {
    return putError(run.out, KvError.tooLarge);
  }
  const value = run.room(length);
  if (exists) value.set(found.valueBytes.subarray(found.valueStart, found.valueEnd));
  if (offset > oldLength) value.fill(0, oldLength, offset);
  value.set(reader.buffer.subarray(partStart, partEnd), offset);
  draft.setKey(reader.buffer, run.keyStart, run.keyEnd);
  draft.setValue(value, 0, length);
  draft.expiryMs = exists ? found.expiryMs : 0;
  state.putDraft();
  putInt(run.out, length);
}
