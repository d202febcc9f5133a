/**
 * Bugs planted in the state machine, to prove that the checkers would see them.
 *
 *  ignore_sessions   the fields of sessions are not looked at when an entry is applied: what is sent again applies again
 */
import { appendCommand, beginEntry, ByteReader, ByteWriter, finishEntry } from '../../src/base/index.js';
import { appendWithoutSession, createKv, hasSession, type Kv, type KvOptions } from '../../src/kv/index.js';
import type { FaultKind } from './fault-plan.js';

export const KV_BUGS = ['ignore_sessions'] as const;
export type KvBug = (typeof KV_BUGS)[number];
/** The faults that give each bug its moment. */
export const KV_BUG_FAULTS: Readonly<Record<KvBug, readonly FaultKind[]>> = {
  ignore_sessions: ['isolate_leader', 'cut_client', 'crash'],
};

export function isKvBug(name: string): name is KvBug {
  return (KV_BUGS as readonly string[]).includes(name);
}

/** A state machine with the bug; everything else is the real one's. */
export function brokenKv(_bug: KvBug, options: KvOptions): Kv {
  const kv = createKv(options);
  const { apply } = kv;
  kv.apply = (index, term, data, results) => apply.call(kv, index, term, withoutSessions(data), results);
  return kv;
}

/** The same entry, its commands without sessions. */
function withoutSessions(data: Uint8Array): Uint8Array {
  if (data.length === 0) return data;
  const reader = new ByteReader(data);
  reader.skip(1);
  const timestampMs = reader.u64();
  const count = reader.u32();
  const entry = new ByteWriter(data.length);
  const command = new ByteWriter(256);
  beginEntry(entry);
  for (let left = count; left > 0; left--) {
    const length = reader.u32();
    const start = reader.position;
    reader.skip(length);
    command.reset();
    if (length >= 4 && hasSession(data, start)) appendWithoutSession(command, data, start, start + length);
    else command.bytes(data, start, start + length);
    appendCommand(entry, command.buffer, 0, command.length);
  }
  finishEntry(entry, timestampMs, count);
  return entry.take();
}
