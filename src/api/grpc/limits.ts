/**
 * Limits of the gRPC front end that are not settings: they guard memory and the event loop whatever the settings say.
 */

/** Operations of one stream without an answer; past it reading stops. Half of it lets reading go on. */
export const PENDING_OPERATIONS_MAX = 10_000;
/** Bytes of those operations. One above it is still taken when nothing else waits. */
export const PENDING_BYTES_MAX = 4 * 1024 * 1024;
/** Results that a client has not taken; past it nothing more is read from it. */
export const UNSENT_BYTES_PAUSE = 1024 * 1024;
/** A response of a stream that has become this large does not wait for the end of the turn. */
export const RESPONSE_BYTES_FLUSH = 256 * 1024;
/** Keys or operations of one batch call: few enough that a failure for each fits the smallest message. */
export const BATCH_OPERATIONS_MAX = 4096;
/** What a message needs besides one value that fills it. */
export const MESSAGE_MARGIN_BYTES = 1024;
/** Changes of the map are told together, this long after the first. */
export const MAP_CHANGE_DELAY_MS = 50;
/** A watcher that has not taken the map before is looked at again after this time. */
export const MAP_RETRY_MS = 500;
/** A scratch buffer above this size is given back after the turn that needed it. */
export const SCRATCH_BYTES_KEPT_MAX = 1024 * 1024;
/** Time to live as an operation may give it: 2^52 ms, so that now + ttl stays a safe integer. */
export const EXPIRY_MS_MAX = 2 ** 52;
/** How old a read may be that asks for `stale` and names no bound. */
export const STALENESS_MS_DEFAULT = 10_000;
