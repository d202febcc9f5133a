/**
 * One replica's part in `quorate shard verify`: waits until the mark is applied, tells the state's hash there, and
 * hashes all items again from memory, a slice at a time between the turns of the loop.
 *
 * A slice ends after `SLICE_MS`, and leaves the loop to others for longer than it took. Few run at once: each holds on to
 * the items of its moment.
 */
import type { ReplicaId } from '../base/index.js';
import type { Machine, Replica } from '../group/index.js';
import type { Host } from '../host/index.js';
import type {
  AuditRequest,
  AuditResponse,
  Clock,
  ControlFailure,
  StateRehash,
  Timers,
} from '../ports/index.js';

const AUDITS_MAX = 4;
/** Nobody may have one wait for longer. */
const AUDIT_MS_MAX = 600_000;
/** Between two looks whether the mark is applied. */
const LOOK_MS = 5;
const SLICE_MS = 1;
const PAUSE_MS = 2;
/** A slice ends after so many steps too, whatever the clock says: each is some tenths of a millisecond at most. */
const SLICE_STEPS_MAX = 64;

type Done = (failure: ControlFailure | null, response: AuditResponse | null) => void;

export interface AuditDeps {
  readonly host: Host;
  readonly clock: Clock;
  readonly timers: Timers;
}

export class StateAudits {
  private running = 0;
  private stopped = false;

  constructor(private readonly deps: AuditDeps) {}

  /** Nothing runs on: the node stops. */
  stop(): void {
    this.stopped = true;
  }

  run(request: AuditRequest, done: Done): void {
    const { clock } = this.deps;
    if (this.running >= AUDITS_MAX) {
      done({ code: 'OVERLOADED', message: `${AUDITS_MAX} replicas are being verified here already` }, null);
      return;
    }
    this.running++;
    const finish: Done = (failure, response) => {
      this.running--;
      done(failure, response);
    };
    this.awaitMark(request, clock.monoMs() + Math.min(request.waitMs, AUDIT_MS_MAX), finish);
  }

  private awaitMark(request: AuditRequest, untilMs: number, done: Done): void {
    const replica = this.find(request.group, request.replica);
    if (typeof replica === 'string') done({ code: 'UNAVAILABLE', message: replica }, null);
    else if (replica.appliedIndex >= request.index && !replica.installing) {
      const { machine } = replica;
      const rehash = machine.rehash?.();
      if (rehash === undefined) {
        done({ code: 'INVALID_ARGUMENT', message: 'this group has no items to verify' }, null);
        return;
      }
      const marked = stateAt(machine, request.index);
      const rehashedIndex = replica.appliedIndex;
      this.slice(rehash, untilMs, (isDone) => {
        rehash.drop();
        const { isRotten, items } = rehash;
        if (isDone) done(null, { ...marked, isRotten, rehashedIndex, items });
        else done({ code: 'UNAVAILABLE', message: `not all of it was hashed in time: ${items} items` }, null);
      });
    } else if (this.deps.clock.monoMs() >= untilMs) {
      const message = `it had applied ${replica.appliedIndex} of ${request.index} when time was over`;
      done({ code: 'UNAVAILABLE', message }, null);
    } else this.deps.timers.after(LOOK_MS, () => this.awaitMark(request, untilMs, done));
  }

  /** The replica, or in words why it can't be asked. */
  private find(group: number, id: ReplicaId): Replica | string {
    if (this.stopped) return 'the node is stopping';
    const replica = this.deps.host.replica(group);
    if (replica === null || replica.id !== id) return `replica ${id} of shard ${group} is not here`;
    if (replica.suspect !== null) return `the replica is suspect: ${replica.suspect}`;
    return replica;
  }

  private slice(rehash: StateRehash, untilMs: number, done: (isDone: boolean) => void): void {
    const { clock, timers } = this.deps;
    const endMs = clock.monoMs() + SLICE_MS;
    for (let left = SLICE_STEPS_MAX; left > 0; left--) {
      if (!rehash.step()) {
        done(true);
        return;
      }
      if (clock.monoMs() >= endMs) break;
    }
    if (this.stopped || clock.monoMs() >= untilMs) done(false);
    else timers.after(PAUSE_MS, () => this.slice(rehash, untilMs, done));
  }
}

function stateAt(machine: Machine, index: number): Pick<AuditResponse, 'hash' | 'noted'> {
  return {
    hash: machine.hashAt?.(index) ?? '',
    noted: machine.notedUpTo?.(index) ?? new Uint8Array(0),
  };
}
