/** What the next Ready will hand out, collected as it comes up. `take` moves a list out and leaves an empty one. */
import type { ReplicaId } from '../base/index.js';
import type { FetchRequest, Message, ReadOutcome } from './types.js';

export class Outbox {
  messages: Message[] = [];
  messagesAfterPersist: Message[] = [];
  reads: ReadOutcome[] = [];
  fetches: FetchRequest[] = [];
  snapshotsWanted: ReplicaId[] = [];
  /** The version of a configuration that this replica is no member of; 0: none was heard of. */
  removedFromVersion = 0;

  get isEmpty(): boolean {
    return (
      this.messages.length === 0 &&
      this.messagesAfterPersist.length === 0 &&
      this.reads.length === 0 &&
      this.fetches.length === 0 &&
      this.snapshotsWanted.length === 0 &&
      this.removedFromVersion === 0
    );
  }
}
