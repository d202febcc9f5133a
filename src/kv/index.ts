/** Level 1: one shard's state machine; commands and results as bytes. */
export * from './command.js';
export * from './result.js';
export { createKv, DEFAULT_FEED, type Kv, type KvOptions } from './kv.js';
export { encodeEvict, encodeSetBudget, NO_BUDGET, type Budget } from './budget.js';
export { chargeOf, ITEM_CHARGE_BYTES } from './charge.js';
export type { EvictionPolicy, Evictor } from './evictor.js';
export { EventKind, FeedEvents } from './feed-events.js';
export type { FeedLimits } from './feed-window.js';
export { FEED_START, NO_FEED, type ChangeFeed, type FeedAnswer, type FeedPosition } from './feed.js';
export { growth, growthOf } from './growth.js';
export { Item } from './item.js';
export { encodeReap } from './reap.js';
export { SESSION_WINDOW } from './session.js';
export { SESSION_LIFETIME_MS_MAX } from './sessions.js';
export {
  appendWithoutSession,
  appendWithSession,
  hasSession,
  putSessionFields,
  SESSION_FIELDS_BYTES,
  SessionFieldsSlot,
  type SessionFields,
  type SessionGrant,
} from './session-fields.js';
export { RESULT_BYTES_MAX } from './reads.js';
export type { ItemName } from './table.js';
export { encodeRaiseVersion } from './version-raise.js';
