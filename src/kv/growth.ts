/**
 * The most that a command may add to a shard's charge and to its number of items, told from its bytes alone: what the
 * leader asks room for before it appends. 0 for whatever only takes away or leaves things as they are: such commands
 * never wait for room. Malformed commands change nothing, and need none.
 */
import { readU32 } from '../base/index.js';
import { GROWN_VALUE_BYTES_MAX, HeaderFlag, Op } from './command.js';
import { ITEM_CHARGE_BYTES } from './charge.js';
import { SESSION_FIELDS_BYTES } from './session-fields.js';

const HEADER_BYTES = 4;
/** Of `set` before its key: u8 setFlags | u8 expiryKind | u64 expiryMs. */
const SET_FIXED_BYTES = 10;
const CAS_FIXED_BYTES = 18;
const LENGTHS_BYTES = 6;
/** The longest number that INCR writes. */
const INTEGER_BYTES_MAX = 20;

/** What `growthOf` found last; one object, so that none is made per command. */
export const growth = { bytes: 0, items: 0 };

/** Fills `growth` for the command `bytes[start, end)`; whether it needs any room. */
export function growthOf(bytes: Uint8Array, start: number, end: number): boolean {
  growth.bytes = 0;
  growth.items = 0;
  const flags = bytes[start + 1] as number;
  let at = start + HEADER_BYTES;
  if ((flags & HeaderFlag.session) !== 0) at += SESSION_FIELDS_BYTES;
  if (at >= end) return false;
  const operandBytes = end - at;
  switch (bytes[start]) {
    case Op.set:
      return one(operandBytes - SET_FIXED_BYTES - LENGTHS_BYTES);
    case Op.cas:
      return one(operandBytes - CAS_FIXED_BYTES - LENGTHS_BYTES);
    case Op.append:
      return one(operandBytes - LENGTHS_BYTES);
    case Op.incrby:
      return one(operandBytes - 10 + INTEGER_BYTES_MAX);
    case Op.setRange:
      // A value may be made longer by the offset, whatever it was before.
      return setRange(operandBytes - 4 - LENGTHS_BYTES, at + 4 <= end ? readU32(bytes, at) : 0);
    case Op.mset:
      return many(bytes, at, end);
    default:
      return false;
  }
}

function one(contentBytes: number): boolean {
  if (contentBytes < 0) return false;
  growth.bytes = contentBytes + ITEM_CHARGE_BYTES;
  growth.items = 1;
  return true;
}

/** Past the limit it is refused when applied. */
function setRange(contentBytes: number, offset: number): boolean {
  return offset <= GROWN_VALUE_BYTES_MAX && one(contentBytes + offset);
}

function many(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 4 > end) return false;
  const count = Math.min(readU32(bytes, at), Math.floor((end - at) / LENGTHS_BYTES));
  if (count === 0) return false;
  growth.bytes = end - at - 4 + count * (ITEM_CHARGE_BYTES - LENGTHS_BYTES);
  growth.items = count;
  return true;
}
