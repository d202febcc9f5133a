/** One operation of a batch or of the stream as a command, with its place in the session of the message's header. */
import { OperationKind, type PipelineRequestReader } from '../../codec/cache/index.js';
import { putSessionFields } from '../../kv/index.js';
import type { CallHost } from './call-host.js';
import { encodeOperation, invalid, type Refusal } from './operation.js';

const NO_SESSION = invalid('the operation has a sequence, and the header has no session');
const BAD_SEQUENCE = invalid('lowest_unanswered is above the sequence');

/** Appends the command of the operation that the reader read last to the host's scratch buffer, which is empty. */
export function encodeBatched(host: CallHost, reader: PipelineRequestReader): Refusal | null {
  const { scratch, limits, sessionFields } = host;
  const { header, bytes, sequence, lowestUnanswered } = reader;
  const inSession = sequence !== 0 && reader.kind !== OperationKind.get;
  if (inSession && header.session === 0) return NO_SESSION;
  if (lowestUnanswered > sequence) return BAD_SEQUENCE;
  const refusal = encodeOperation(scratch, reader, bytes, bytes, limits.valueBytesMax, inSession);
  if (refusal !== null || !inSession) return refusal;
  sessionFields.session = header.session;
  sessionFields.grantedMs = header.sessionGrantedMs;
  sessionFields.lifetimeMs = header.sessionLifetimeMs;
  sessionFields.sequence = sequence;
  sessionFields.lowestUnanswered = lowestUnanswered;
  putSessionFields(scratch, 0, sessionFields);
  return null;
}
