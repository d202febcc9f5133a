/**
 * The front end's own limits. Those that an operator may set come with the server's dependencies; these are the
 * protocol's, or guard memory whatever the settings say.
 */

/** Redis' limit for one line: an inline command, or the decimal of a count or a length. */
export const LINE_BYTES_MAX = 64 * 1024;
/** Arguments of one command. Eight bytes of positions each, taken as they arrive. */
export const ARGUMENTS_MAX = 1024 * 1024;
/** A bulk may always be this long, so that names and keys pass however small `valueBytesMax` is set. */
export const BULK_BYTES_FLOOR = 64 * 1024;

/** Commands of one connection without an answer; past it reading stops. Half of it lets reading go on. */
export const PENDING_COMMANDS_MAX = 10_000;
/** Bytes of those commands. One command above it is still taken when nothing else waits. */
export const PENDING_BYTES_MAX = 4 * 1024 * 1024;
/** Replies that a client has not taken; past it nothing more is read from it. */
export const UNSENT_BYTES_PAUSE = 1024 * 1024;

/** Buffers above this size are given back once empty: 10,000 idle connections must stay cheap. */
export const IDLE_BUFFER_BYTES_MAX = 16 * 1024;
/** A reply buffer above this size is handed to the stream as it is; below it is copied and used again. */
export const HANDOVER_BYTES_MIN = 8 * 1024;

/** Time to live as a command may give it: 2^52 ms, so that now + ttl stays a safe integer. */
export const EXPIRY_MS_MAX = 2 ** 52;
/** A closing client that does not take its last replies is cut off after this time. */
export const LINGER_MS = 5_000;
