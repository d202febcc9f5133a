/** Small numbers for the parts of commands that are under way; given back when the part is answered. */
import { assert, type ByteReader, type ByteWriter } from '../../base/index.js';
import type { RespVersion } from './reply-writer.js';
import type { Outcome, ResultEncoder } from './result-encoder.js';

/** A command whose reply needs several results: a part of it is what one result answers. */
export interface PartedCommand {
  /** Its place in the order of replies. */
  readonly sequence: number;
  /** Bytes of results kept until the reply is written. */
  readonly keptBytes: number;
  /** Whether no part is missing any more. */
  readonly isComplete: boolean;
  /**
   * Takes one result, which begins at the reader. True: the part is to be asked again. `bytesMax`: more than that is not
   * kept for one reply.
   */
  take(part: number, reader: ByteReader, bytesMax: number): boolean;
  /** Appends the reply; all parts are there. Failures leave their reason in the encoder. */
  encode(w: ByteWriter, version: RespVersion, name: string, encoder: ResultEncoder): Outcome;
}

export class PartTokens {
  /** Parts under way. */
  count = 0;
  private readonly commands: (PartedCommand | null)[] = [];
  private readonly parts: number[] = [];
  private readonly free: number[] = [];

  take(command: PartedCommand, part: number): number {
    const index = this.free.pop() ?? this.commands.length;
    this.commands[index] = command;
    this.parts[index] = part;
    this.count++;
    return index;
  }

  commandOf(index: number): PartedCommand {
    const command = this.commands[index];
    assert(command, `part ${index} is not under way`);
    return command;
  }

  partOf(index: number): number {
    return this.parts[index] as number;
  }

  give(index: number): void {
    assert(this.commands[index], `part ${index} was given back before`);
    this.commands[index] = null;
    this.free.push(index);
    this.count--;
  }
}
