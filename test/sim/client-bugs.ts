/**
 * Bugs planted in the client path, to prove that the checkers would see them. Each stands between the simulated clients
 * and the SDK's engine, and breaks one of its promises.
 *
 *  repeat_unknown_write   a write without an answer after part of its time is sent again, as is one whose outcome is
 *                         unknown for another reason: what took effect does so twice
 *  deny_unknown_write     a write whose outcome is unknown is called refused: what was denied shows up
 *  old_version            now and then an answer tells the version before: what is compared by it is not what was read
 *  lost_answer            now and then an answer is lost: the call never ends
 */
import { Prng, QuorateError } from '../../src/base/index.js';
import { ClientEngine, type ClientOperation, type OperationAnswer } from '../../src/client/index.js';
import type { Clock } from '../../src/ports/index.js';
import type { FaultKind } from './fault-plan.js';
import type { CreateEngine, SdkEngine } from './sdk-client.js';

export const CLIENT_BUGS = [
  'repeat_unknown_write',
  'deny_unknown_write',
  'old_version',
  'lost_answer',
] as const;
export type ClientBug = (typeof CLIENT_BUGS)[number];
/** The faults that give each bug its moment. */
export const CLIENT_BUG_FAULTS: Readonly<Record<ClientBug, readonly FaultKind[]>> = {
  repeat_unknown_write: ['slow_disk', 'cut_client', 'bad_network'],
  deny_unknown_write: ['crash', 'bad_network'],
  old_version: ['crash'],
  lost_answer: ['crash'],
};

/** How often a bug without a cause shows. */
const CHANCE = 0.02;
/** The part of a call's time that each attempt gets. */
const ATTEMPT_PART = 0.2;
/** With less than this left nothing is repeated. */
const LEFT_MS_MIN = 20;

export function isClientBug(name: string): name is ClientBug {
  return (CLIENT_BUGS as readonly string[]).includes(name);
}

export function brokenEngine(bug: ClientBug): CreateEngine {
  return (ports, options) => {
    const prng = new Prng(ports.entropy.u32());
    return new BrokenEngine(new ClientEngine(ports, options), ports.clock, prng, bug);
  };
}

class BrokenEngine implements SdkEngine {
  private isClosed = false;
  /** What the engine knows an operation as: another object, and another handle once it was repeated. */
  private readonly known = new WeakMap<ClientOperation, { operation: ClientOperation; handle: number }>();

  constructor(
    private readonly inner: ClientEngine,
    private readonly clock: Clock,
    private readonly prng: Prng,
    private readonly bug: ClientBug,
  ) {}

  get pendingCount(): number {
    return this.inner.pendingCount;
  }

  start(onReady: () => void): void {
    this.inner.start(onReady);
  }

  cancel(_handle: number, operation: ClientOperation): { readonly wasSent: boolean } | null {
    const known = this.known.get(operation);
    return known === undefined ? null : this.inner.cancel(known.handle, known.operation);
  }

  close(): void {
    this.isClosed = true;
    this.inner.close();
  }

  submit(operation: ClientOperation, timeoutMs: number): number {
    return this.give(operation, timeoutMs, this.clock.monoMs() + timeoutMs);
  }

  private give(operation: ClientOperation, timeoutMs: number, deadlineMs: number): number {
    const broken = this.broken(operation, deadlineMs);
    const attemptMs = this.bug === 'repeat_unknown_write' ? timeoutMs * ATTEMPT_PART : timeoutMs;
    const handle = this.inner.submit(broken, attemptMs);
    this.known.set(operation, { operation: broken, handle });
    return handle;
  }

  private broken(operation: ClientOperation, deadlineMs: number): ClientOperation {
    return {
      ...operation,
      onAnswer: (answer) => {
        if (this.shows('lost_answer')) return;
        operation.onAnswer(this.shows('old_version') ? aged(answer) : answer);
      },
      onFailure: (error) => this.fail(operation, error, deadlineMs),
    };
  }

  private fail(operation: ClientOperation, error: QuorateError, deadlineMs: number): void {
    const leftMs = deadlineMs - this.clock.monoMs();
    const isUnknown = error.code === 'OUTCOME_UNKNOWN';
    const mayRepeat = this.bug === 'repeat_unknown_write' && leftMs > LEFT_MS_MIN && !this.isClosed;
    if (isUnknown && mayRepeat) {
      this.give(operation, leftMs, deadlineMs);
    } else if (isUnknown && this.bug === 'deny_unknown_write') {
      operation.onFailure(new QuorateError('UNAVAILABLE', error.message));
    } else operation.onFailure(error);
  }

  private shows(bug: ClientBug): boolean {
    return this.bug === bug && this.prng.chance(CHANCE);
  }
}

function aged(answer: OperationAnswer): OperationAnswer {
  return { ...copy(answer), version: Math.max(0, answer.version - 1) };
}

/** An answer's fields are getters of a reader: spreading it would lose them. */
function copy(answer: OperationAnswer): OperationAnswer {
  const { found, applied, bytes, valueStart, valueEnd, version, number, ttlMs } = answer;
  return { found, applied, bytes, valueStart, valueEnd, version, number, ttlMs };
}
