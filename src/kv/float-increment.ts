/** INCRBYFLOAT: the value's decimal text and the amount's, added (decimal.ts). An absent key counts as 0. */
import { encodeUtf8 } from '../base/index.js';
import { addDecimals, parseDecimal, type Decimal } from './decimal.js';
import { expectEnd, readKey } from './operands.js';
import { KvError, putBytes, putError } from './result.js';
import type { Run } from './run.js';

const NOTHING: Decimal = { coefficient: 0n, exponent: 0 };

export function runIncrByFloat(run: Run): void {
  const { reader, state, out } = run;
  const keyStart = readKey(reader);
  const keyEnd = reader.position;
  const amountStart = readKey(reader);
  const amountEnd = reader.position;
  expectEnd(reader);

  const exists = run.find(keyStart, keyEnd);
  const { found, draft } = state;
  const present = exists ? parseDecimal(found.valueBytes, found.valueStart, found.valueEnd) : NOTHING;
  if (present === null) return putError(out, KvError.notFloat);
  const amount = parseDecimal(reader.buffer, amountStart, amountEnd);
  if (amount === null) return putError(out, KvError.notFloat);
  if (present === 'infinite' || amount === 'infinite') return putError(out, KvError.infinite);
  const sum = addDecimals(present, amount);
  if (sum === null) return putError(out, KvError.infinite);

  const text = encodeUtf8(sum);
  if (text.length > run.valueBytesMax) return putError(out, KvError.tooLarge);
  draft.setKey(reader.buffer, keyStart, keyEnd);
  draft.setValue(text, 0, text.length);
  draft.expiryMs = exists ? found.expiryMs : 0;
  state.putDraft();
  putBytes(out, text);
}
