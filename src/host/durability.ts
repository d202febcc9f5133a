/**
 * What waits for the log to be durable. `open` belongs to the batch that still collects, `flight` to the one being
 * written: exactly one write is in flight, so that a later Ready can't overtake an earlier one.
 *
 * A Ready that persists nothing waits only for the same replica's earlier Readys: with the batch in flight if one of
 * them is there, else not at all.
 */
import { assert, type ReadyNumber } from '../base/index.js';
import type { Message } from '../raft/index.js';
import type { Replica } from '../group/index.js';

class Waiting {
  readonly readys = new Map<Replica, ReadyNumber>();
  readonly replicas: Replica[] = [];
  readonly messages: Message[] = [];
  readonly callbacks: (() => void)[] = [];

  addMessages(replica: Replica, messages: readonly Message[]): void {
    for (const message of messages) {
      this.replicas.push(replica);
      this.messages.push(message);
    }
  }
}

export class Durability {
  private open = new Waiting();
  private flight: Waiting | null = null;

  constructor(private readonly send: (replica: Replica, message: Message) => void) {}

  add(replica: Replica, number: ReadyNumber, mustPersist: boolean, messages: readonly Message[]): void {
    if (mustPersist || this.open.readys.has(replica)) {
      this.open.readys.set(replica, number);
      this.open.addMessages(replica, messages);
    } else if (this.flight?.readys.has(replica) === true) {
      this.flight.readys.set(replica, number);
      this.flight.addMessages(replica, messages);
    } else {
      replica.onPersisted(number);
      for (const message of messages) this.send(replica, message);
    }
  }

  /** Runs `run` once what the open batch holds now is durable. */
  whenDurable(run: () => void): void {
    this.open.callbacks.push(run);
  }

  /** No write is in flight and none is due: callbacks wait for nothing. */
  onNothingToWrite(): void {
    for (const run of this.open.callbacks.splice(0)) run();
  }

  onWriteStarted(): void {
    assert(this.flight === null, 'one write at a time');
    this.flight = this.open;
    this.open = new Waiting();
  }

  onWriteDone(): void {
    const done = this.flight;
    assert(done !== null, 'a write was in flight');
    this.flight = null;
    for (const [replica, number] of done.readys) replica.onPersisted(number);
    for (let i = 0; i < done.messages.length; i++) {
      this.send(done.replicas[i] as Replica, done.messages[i] as Message);
    }
    for (const run of done.callbacks) run();
  }
}
