import type { ErrorReason, NodeId } from '../base/index.js';

/**
 * Where the outcome of a command goes: the gateway's table of pending commands, or the answers owed to a peer.
 * For every command handed to a replica exactly one of the two is called, never from inside the hand-over.
 * Bytes are views, valid during the call.
 */
export interface CommandSink {
  /** The command ran: `bytes[start, end)` is its result (or a failure whose outcome is unknown). */
  onResult(token: number, bytes: Uint8Array, start: number, end: number): void;
  /** The command certainly did not run; `command[start, end)` is what was handed over, for another attempt. */
  onRefused(
    token: number,
    reason: ErrorReason,
    leaderNode: NodeId,
    command: Uint8Array,
    start: number,
    end: number,
  ): void;
}
