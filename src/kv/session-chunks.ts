/**
 * Sessions in a shard's snapshot: chunks of
 *
 *   u8 3 (sessions) | (u64 session | u64 grantedMs | u32 lifetimeMs | u64 lowest | u16 replies
 *                      | (u64 sequence | u8 length | reply)…)…
 *
 * They are copied whole when the snapshot begins, so that the living ones may change meanwhile.
 */
import { ByteWriter, type ByteReader } from '../base/index.js';
import { KEPT_REPLY_BYTES_MAX } from './session.js';
import type { Sessions } from './sessions.js';

export const CHUNK_SESSIONS = 3;
/** A chunk ends behind the session with which it gets this long. */
const CHUNK_BYTES = 64 * 1024;

export function encodeSessions(sessions: Sessions): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const w = new ByteWriter(256);
  for (const session of sessions.values()) {
    if (w.length === 0) w.u8(CHUNK_SESSIONS);
    w.u64(session.session);
    w.u64(session.grantedMs);
    w.u32(session.lifetimeMs);
    w.u64(session.lowest);
    w.u16(session.count);
    for (let place = session.firstPlace; place < session.firstPlace + session.count; place++) {
      w.u64(session.sequenceAt(place));
      const start = session.replyStart(place);
      const end = session.replyEnd(place);
      w.u8(end - start);
      w.bytes(session.bytes, start, end);
    }
    if (w.length < CHUNK_BYTES) continue;
    chunks.push(w.take());
    w.reset();
  }
  if (w.length > 0) chunks.push(w.take());
  return chunks;
}

/** Reads one session where the reader stands; false when it is none that this shard could have. */
export function readSession(reader: ByteReader, into: Sessions): boolean {
  const session = into.restore(reader.u64(), reader.u64(), reader.u32(), reader.u64());
  if (session === null) return false;
  for (let left = reader.u16(); left > 0; left--) {
    const sequence = reader.u64();
    const length = reader.u8();
    const start = reader.position;
    reader.skip(length);
    if (length > KEPT_REPLY_BYTES_MAX) return false;
    if (!into.restoreReply(session, sequence, reader.buffer, start, reader.position)) return false;
  }
  return true;
}
