/** The consensus core's door: see api.ts for what it does and types.ts for the data it speaks in. */
export type * from './api.js';
export type * from './trace-events.js';
export * from './types.js';
export type { StepVerdict } from './admission.js';
export { isJoint } from './change.js';
export { homeOf, isMember, isVoter, membersOf, NO_CONFIGURATION } from './membership.js';
export { createRaft } from './raft.js';
export {
  describeConfiguration,
  describeEntries,
  describeEntry,
  describeFetch,
  describeHardState,
  describeMessage,
  describeReadOutcome,
  describeReady,
  describeRoleChange,
  describeStatus,
} from './describe.js';
