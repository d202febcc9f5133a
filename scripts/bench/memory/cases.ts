/** What is measured in a process of its own, and what such a process prints: one line of JSON. */

export const CASES = ['table', 'map', 'table-speed', 'map-speed', 'table-steps'] as const;
export type Case = (typeof CASES)[number];

export const KEY_BYTES = 16;
export const VALUE_BYTES = 32;
/** Of a key that was kept with an expiry: milliseconds from now to the end of the range they are spread over. */
export const EXPIRY_SPREAD_MS = 86_400_000;

/** Bytes a key over key and value, by what the system said that it takes (`resident`) and by what the table counts. */
export interface MemoryFigures {
  readonly freshBytes: number;
  /** After as many overwrites as there are keys, a fifth of them deleted, and the tables tidied up. */
  readonly usedBytes: number;
  readonly countedFreshBytes: number;
  readonly countedUsedBytes: number;
}

/** CPU nanoseconds an operation. */
export interface SpeedFigures {
  readonly fillNs: number;
  readonly getNs: number;
  readonly setNs: number;
}

/** The longest single operations of each kind, in milliseconds of CPU and of the clock. */
export type StepFigures = Readonly<Record<string, { readonly cpuMs: number; readonly wallMs: number }>>;

/** Writes the name of key `n`, `key:` and twelve digits. */
export function writeKey(key: Uint8Array, n: number): void {
  let rest = n;
  key.set([0x6b, 0x65, 0x79, 0x3a]);
  for (let at = KEY_BYTES - 1; at >= 4; at--) {
    key[at] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

export function overheadBytes(takenBytes: number, keys: number): number {
  return takenBytes / keys - KEY_BYTES - VALUE_BYTES;
}
