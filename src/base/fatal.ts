/**
 * Why a process ends on its own. One exit code per reason (after sysexits.h), so that a supervisor and an operator
 * can tell a full disk from a bug. Use `fatal` for the environment, `assert` for ourselves.
 */
export const EXIT_CODES = {
  usage: 2,
  port_in_use: 69,
  internal: 70,
  disk: 74,
  refused: 78,
} as const;
export type FatalReason = keyof typeof EXIT_CODES;

/** Ends the process with the reason's exit code after logging; never returns control to the caller's logic. */
export type Fatal = (reason: FatalReason, message: string, cause?: unknown) => void;
