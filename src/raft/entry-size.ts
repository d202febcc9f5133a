/** The one notion of an entry's size that all byte limits of the core use: append messages, windows, tail, pages. */
import type { Entry } from './types.js';

/** Index, term, kind and length on the wire. Never 0, so that a stream of empty entries still fills a window. */
export const ENTRY_OVERHEAD_BYTES = 24;

export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

export function totalBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}
