/** Control calls as promises, and what a failed one means for the command's exit code. */
import { EXIT_CODES, QuorateError } from '../base/index.js';
import type { ErrorReason } from '../base/index.js';
import type { ControlClient, ControlMethod, ControlMethods } from '../ports/index.js';

/** The command ran, and what it asked for did not happen. */
export const EXIT_FAILED = 1;

export function callControl<M extends ControlMethod>(
  control: ControlClient,
  address: string,
  method: M,
  request: ControlMethods[M]['request'],
  deadlineMs: number,
): Promise<ControlMethods[M]['response']> {
  return new Promise((resolve, reject) => {
    control.call(address, method, request, deadlineMs, (failure, response) => {
      if (response) resolve(response);
      else reject(new QuorateError(failure?.code ?? 'INTERNAL', failure?.message ?? 'no answer'));
    });
  });
}

const REFUSALS: ReadonlySet<ErrorReason> = new Set([
  'ALREADY_INITIALISED',
  'WRONG_CLUSTER',
  'OLD_DATA_DIRECTORY',
  'UNSUPPORTED_VERSION',
]);

export function exitCodeOf(error: QuorateError): number {
  if (error.code === 'INVALID_ARGUMENT') return EXIT_CODES.usage;
  return REFUSALS.has(error.code) ? EXIT_CODES.refused : EXIT_FAILED;
}
