/**
 * A command that asks the shards again after each answer, until it has its reply: SCAN, KEYS, RANDOMKEY.
 *
 * It works in lanes, each with one question under way at a time; a lane asks its next question in the next turn of the
 * event loop. All questions are reads, so a failure of one is the whole command's: the others are awaited and dropped.
 * One object per such command.
 */
import {
  assert,
  reasonFromNumber,
  type ByteReader,
  type ByteWriter,
  type ErrorReason,
} from '../../base/index.js';
import type { Slot } from '../../base/index.js';
import { Tag } from '../../kv/index.js';
import { failureText, kvErrorText } from './error-table.js';
import type { PartedCommand } from './part-tokens.js';
import { writeError, type RespVersion } from './reply-writer.js';
import { Outcome, outcomeOf, type ResultEncoder } from './result-encoder.js';

export abstract class Iteration implements PartedCommand {
  /** Set when the reply is owed. */
  sequence = -1;
  /** Lanes that ask on or wait for an answer. */
  private active: number;
  private failure: ErrorReason | null = null;
  private detail = '';
  /** Text of the error that ended the command; '' for none. */
  private refusal = '';

  constructor(readonly laneCount: number) {
    assert(laneCount > 0, 'an iteration without a lane');
    this.active = laneCount;
  }

  get isComplete(): boolean {
    return this.active === 0;
  }

  abstract get keptBytes(): number;

  /** Writes the next question of a lane (kv/command.ts), a read; returns a slot of the shard that is asked. */
  abstract encodeNext(lane: number, w: ByteWriter): Slot;

  /** Takes the answer to it, which the shard did not refuse. True: the lane asks on. */
  protected abstract takeAnswer(lane: number, reader: ByteReader, bytesMax: number): boolean;

  /** The state machine refused the question. True: the lane asks another one. */
  protected abstract takeRefusal(lane: number, error: number): boolean;

  /** Appends the reply; no lane failed. */
  protected abstract writeReply(w: ByteWriter, version: RespVersion): void;

  /** Drops what was kept: the reply will be an error. */
  protected abstract drop(): void;

  take(lane: number, reader: ByteReader, bytesMax: number): boolean {
    assert(this.active > 0, `an answer to lane ${lane} of a complete command`);
    const goesOn = this.takeOne(lane, reader, bytesMax);
    if (!goesOn) this.active--;
    return goesOn;
  }

  encode(w: ByteWriter, version: RespVersion, name: string, encoder: ResultEncoder): Outcome {
    assert(this.isComplete, `${this.active} lanes of ${name} are still asking`);
    encoder.values = encoder.nulls = 0;
    if (this.failure !== null) {
      encoder.reason = this.failure;
      writeError(w, failureText(this.failure, this.detail));
      return outcomeOf(this.failure);
    }
    if (this.refusal !== '') {
      writeError(w, this.refusal);
      return Outcome.error;
    }
    this.writeReply(w, version);
    return Outcome.ok;
  }

  /** Ends the command with this error. */
  protected refuse(text: string): false {
    if (this.refusal === '') this.refusal = text;
    this.drop();
    return false;
  }

  /** As `refuse`, with the text of a state machine's refusal. */
  protected refuseAs(error: number): false {
    return this.refuse(kvErrorText(error, ''));
  }

  private takeOne(lane: number, reader: ByteReader, bytesMax: number): boolean {
    const tag = reader.u8();
    if (tag === Tag.failed) return this.fail(reader);
    if (this.failure !== null || this.refusal !== '') return false;
    if (tag === Tag.error) return this.takeRefusal(lane, reader.u8());
    reader.position--;
    return this.takeAnswer(lane, reader, bytesMax);
  }

  private fail(reader: ByteReader): false {
    if (this.failure !== null) return false;
    this.failure = reasonFromNumber(reader.u8());
    this.detail = reader.string16();
    this.drop();
    return false;
  }
}
