/** Level 3: every group's Raft log over an ordered store, and checkpoint files. docs/formats.md tells the bytes. */
export type * from './api.js';
export { openCheckpoints, SNAPSHOTS_FAILED_HELP, type CheckpointDeps } from './checkpoints.js';
export { DiskGuard, type DiskGuardDeps, type DiskState } from './disk-guard.js';
export { StorageError, type StorageErrorCode } from './errors.js';
export { FORMAT_NUMBER, raiseFormat } from './format-file.js';
export { openLogStore, type LogStoreDeps } from './open-log-store.js';
