/**
 * How a node's process ends: the reasons, the signals that ask for it, and the starter whose death asks for it too.
 */
import { EXIT_CODES, QuorateError } from '../base/index.js';
import type { Fatal, FatalReason } from '../base/index.js';
import type { Logger } from '../ports/index.js';

/** Codes of errors that say that the directory or the cluster is not for this node. */
const REFUSALS: ReadonlySet<string> = new Set([
  'LOCKED',
  'NEWER_FORMAT',
  'OLD_FORMAT',
  'UNKNOWN_FORMAT',
  'UNSUPPORTED_VERSION',
  'LOG_MISSING',
  'DAMAGED_NODE_RECORD',
  'WRONG_CLUSTER',
  'OLD_DATA_DIRECTORY',
  'EACCES',
  'EPERM',
  'ENOTDIR',
]);
const PORT_PROBLEMS: ReadonlySet<string> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL']);
const DISK_PROBLEMS: ReadonlySet<string> = new Set([
  'ENOSPC',
  'EIO',
  'EROFS',
  'EDQUOT',
  'EMFILE',
  'DISK_FULL',
]);

/** The reason behind an error that ended a start. */
export function fatalReasonOf(error: unknown): FatalReason {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
    // A port below 1024 without the right to it is EACCES too, but says that it was a listen.
    if (PORT_PROBLEMS.has(code) || ('syscall' in cause && cause.syscall === 'listen')) return 'port_in_use';
    if (REFUSALS.has(code)) return 'refused';
    if (DISK_PROBLEMS.has(code)) return 'disk';
  }
  return 'internal';
}

/** What to tell of an error that ended a start: what an operator can act on, not what the system called it. */
export function describeStartFailure(error: Error, dataFolder: string): string {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'LOCKED') {
      return `the data directory ${dataFolder} is in use by another process`;
    }
  }
  return error.message;
}

/** Logs and ends the process with the reason's exit code, at once: nothing that follows could be trusted. */
export function createFatal(logger: Logger): Fatal {
  return (reason, message, cause) => {
    logger.error('fatal', { reason, message, exitCode: EXIT_CODES[reason], ...describeCause(cause) });
    process.exit(EXIT_CODES[reason]);
  };
}

function describeCause(cause: unknown): Record<string, unknown> {
  if (cause === undefined || cause === null) return {};
  if (!(cause instanceof Error)) return { cause: String(cause) };
  const code = QuorateError.is(cause) || 'code' in cause ? { code: cause.code } : {};
  return { cause: cause.message, ...code, stack: cause.stack };
}

/** Broken invariants and everything else that nobody caught end the process as `internal`. */
export function endOnUncaught(fatal: Fatal): void {
  process.on('uncaughtException', (error) => fatal('internal', 'uncaught error', error));
  process.on('unhandledRejection', (reason) => fatal('internal', 'unhandled rejection', reason));
}

/** Calls `onAsked` at the first request to end; a second signal ends the process at once. */
export function onAskedToEnd(watchParent: boolean, onAsked: (why: string) => void): void {
  let isAsked = false;
  const ask = (why: string): void => {
    if (!isAsked) {
      isAsked = true;
      onAsked(why);
    }
  };
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.on(signal, () => {
      if (isAsked) process.exit(128 + number);
      ask(signal);
    });
  }
  if (!watchParent) return;
  // The starter holds the other end of our standard input and writes nothing: its end is the starter's end.
  process.stdin.on('end', () => ask('the starter is gone'));
  process.stdin.on('close', () => ask('the starter is gone'));
  process.stdin.on('error', () => ask('the starter is gone'));
  process.stdin.resume();
}
