/**
 * Group 0's state machine: entries framed like a shard's, commands of commands.ts, and a state that is small enough
 * to be its own snapshot.
 */
import {
  ByteReader,
  ByteWriter,
  ENTRY_VERSION,
  ERROR_REASONS,
  ShortBytesError,
  type LogIndex,
  type Term,
} from '../base/index.js';
import type { EntryResults, SnapshotLoader, SnapshotSource, StateMachine } from '../ports/index.js';
import { applyMetaCommand } from './commands.js';
import { decodeMetaState, EMPTY_META, encodeMetaState, type MetaState } from './state.js';

/** First byte of the result of a command that could not be read. */
const MALFORMED = 6;
/** …and of one that was refused. */
const REFUSED = 7;

export class MetaMachine implements StateMachine {
  private current: MetaState = EMPTY_META;
  private stampMs = 0;
  private readonly result = new ByteWriter(1024);

  /** `onChange` is called after an entry (or a snapshot) changed the state. */
  constructor(private readonly onChange: (state: MetaState) => void) {}

  get state(): MetaState {
    return this.current;
  }

  apply(_index: LogIndex, _term: Term, data: Uint8Array, results: EntryResults | null): void {
    const before = this.current;
    const r = new ByteReader(data);
    if (r.u8() !== ENTRY_VERSION) throw new RangeError('meta entry of an unknown version');
    this.stampMs = Math.max(this.stampMs, r.u64());
    const count = r.u32();
    for (let position = 0; position < count; position++) {
      this.result.reset();
      this.run(r.view(r.u32()));
      results?.onResult(position, this.result.buffer, 0, this.result.length);
    }
    if (this.current !== before) this.onChange(this.current);
  }

  /** One command; what can't be read changes nothing, on every replica alike. */
  private run(command: Uint8Array): void {
    try {
      const outcome = applyMetaCommand(this.current, command);
      if (outcome.refusal !== undefined) {
        this.refuse(outcome.refusal);
        return;
      }
      this.current = outcome.state;
      this.result.u8(0);
      this.result.u32(outcome.nodeId);
      this.result.bytes(encodeMetaState(this.current));
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof ShortBytesError)) throw error;
      this.result.u8(MALFORMED);
    }
  }

  /** As a shard's result `failed`, so that callers read both alike. */
  private refuse(message: string): void {
    this.result.u8(REFUSED);
    this.result.u8(ERROR_REASONS.UNSUPPORTED_VERSION.number);
    this.result.string16(message);
    this.result.u32(0);
  }

  timestampMs(): number {
    return this.stampMs;
  }

  stateHash(): string {
    const bytes = this.encode();
    let a = 0x811c9dc5;
    let b = 0x9747b28c;
    for (const byte of bytes) {
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b ^ byte, 0x5bd1e995) ^ (b >>> 15);
    }
    const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
    return hex(a) + hex(b);
  }

  snapshot(): SnapshotSource {
    let bytes: Uint8Array | null = this.encode();
    return {
      next: () => {
        const chunk = bytes;
        bytes = null;
        return chunk;
      },
      release: () => {
        bytes = null;
      },
    };
  }

  loader(): SnapshotLoader {
    let loaded: { stampMs: number; state: MetaState } | null = null;
    return {
      push: (chunk) => {
        const r = new ByteReader(chunk);
        const stampMs = r.u64();
        loaded = { stampMs, state: decodeMetaState(r.bytes(r.remaining)) };
      },
      finish: () => {
        if (loaded === null) throw new RangeError('empty meta snapshot');
        this.stampMs = loaded.stampMs;
        this.current = loaded.state;
        this.onChange(this.current);
      },
      drop: () => {
        loaded = null;
      },
    };
  }

  private encode(): Uint8Array {
    const w = new ByteWriter(1024);
    w.u64(this.stampMs);
    w.bytes(encodeMetaState(this.current));
    return w.take();
  }
}
