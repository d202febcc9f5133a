/** What a failure means for an operation: whether the SDK may send it again by itself, and what its caller is told. */
import { ERROR_REASONS, QuorateError, reasonFromNumber } from '../base/index.js';
import type { ErrorReason } from '../base/index.js';
import type { ErrorMessage } from '../codec/cache/index.js';
import { isRead } from './operation.js';
import type { ClientOperation } from './operation.js';

/**
 * Reads are repeated whatever became of them, writes when the refusal is definite: the command was in no log then. A
 * write in a session is repeated too when its outcome is unknown. A reason that no repetition helps ends both.
 */
export function mayRepeat(operation: ClientOperation, reason: ErrorReason, inSession: boolean): boolean {
  const { retry, definite } = ERROR_REASONS[reason];
  if (retry === 'never') return false;
  return isRead(operation) || definite || (inSession && reason === 'OUTCOME_UNKNOWN');
}

/**
 * The error for a caller. A write that may have happened is `OUTCOME_UNKNOWN`, whatever the server called it; a read never
 * is: one that went into the log for its order, on a node that stopped, has changed nothing and may be asked again.
 */
export function errorOf(operation: ClientOperation, message: ErrorMessage): QuorateError {
  const told = reasonFromNumber(message.reason);
  const reason = isRead(operation) && told === 'OUTCOME_UNKNOWN' ? 'UNAVAILABLE' : told;
  const isUnknown = !ERROR_REASONS[reason].definite && !isRead(operation);
  const details: Record<string, string | number> = {};
  if (message.shard !== 0) details['shard'] = message.shard;
  if (message.leaderNode !== 0) details['leaderNode'] = message.leaderNode;
  if (message.leaderAddress !== '') details['leaderAddress'] = message.leaderAddress;
  if (message.mapVersion !== 0) details['mapVersion'] = message.mapVersion;
  if (message.retryAfterMs !== 0) details['retryAfterMs'] = message.retryAfterMs;
  if (isUnknown && reason !== 'OUTCOME_UNKNOWN') details['reason'] = reason;
  return new QuorateError(isUnknown ? 'OUTCOME_UNKNOWN' : reason, message.message || reason, details);
}

/**
 * What a write in doubt is told when a later attempt was refused for good: the state machine's own answers are those of
 * the first attempt too; anything else says nothing of it.
 */
export function errorInDoubt(error: QuorateError, doubt: QuorateError): QuorateError {
  return error.code === 'NOT_A_NUMBER' || error.code === 'OVERFLOW' || error.code === 'WRONG_TYPE'
    ? error
    : doubt;
}

/**
 * A refused write is not sent again: a later operation on its key was answered meanwhile. Its caller knows no sessions: the
 * end of one is no reason to give.
 */
export function overtaken(refusal: QuorateError): QuorateError {
  if (refusal.code !== 'SESSION_EXPIRED') return refusal;
  return new QuorateError(
    'UNAVAILABLE',
    'the write was not run: it was refused at first, and a later operation on its key was answered meanwhile',
    refusal.details,
    { cause: refusal },
  );
}

/** The deadline of an operation passed that is on no stream; `refusal` is why it waited. */
export function notSentInTime(refusal: QuorateError | null): QuorateError {
  if (refusal === null) {
    return new QuorateError('DEADLINE_EXCEEDED', 'the deadline passed before the operation could be sent');
  }
  if (refusal.code === 'OUTCOME_UNKNOWN') return refusal;
  return new QuorateError(
    'DEADLINE_EXCEEDED',
    `the deadline passed while the operation was refused: ${refusal.message}`,
    { ...refusal.details, lastReason: refusal.code },
    { cause: refusal },
  );
}

/** The deadline of an operation passed that was sent. */
export function notAnsweredInTime(operation: ClientOperation, address: string): QuorateError {
  if (isRead(operation)) {
    return new QuorateError('DEADLINE_EXCEEDED', `${address} did not answer before the deadline`, {
      address,
    });
  }
  return new QuorateError(
    'OUTCOME_UNKNOWN',
    `${address} did not answer before the deadline: the write may have taken effect, or may yet`,
    { address },
  );
}

/** The stream broke that a write was sent on. */
export function lostWithStream(address: string, why: string): QuorateError {
  return new QuorateError(
    'OUTCOME_UNKNOWN',
    `the connection to ${address} was lost before the answer: the write may have taken effect (${why})`,
    { address },
  );
}

export function clientIsClosed(): QuorateError {
  return new QuorateError('UNAVAILABLE', 'the client is closed');
}
