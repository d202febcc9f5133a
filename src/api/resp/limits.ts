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

/** A client that stays above the soft output limit for this long is closed. */
export const OUTPUT_SOFT_MS = 10_000;
/** How often the unsent replies of such clients are looked at. */
export const OUTPUT_SOFT_CHECK_MS = 1_000;

/** Keys that one read of a shard looks at: 1,000 take about a millisecond of a loop that serves everybody. */
export const PAGE_KEYS_MAX = 1_000;
/** The longest pattern of SCAN and KEYS; the state machine refuses longer ones. */
export const PATTERN_BYTES_MAX = 1024;
/** Keys that one SCAN looks at, whatever COUNT says. */
export const SCAN_KEYS_MAX = 10_000;
/** A SCAN that has found this much ends early; its cursor goes on behind. */
export const SCAN_BYTES_ENOUGH = 1024 * 1024;
/** Past either of them KEYS is refused. */
export const KEYS_COUNT_MAX = 1_000_000;
export const KEYS_BYTES_MAX = 64 * 1024 * 1024;
/** Shards that one KEYS asks at a time. */
export const KEYS_LANES_MAX = 8;

/**
 * Work that all connections together may hand in between two looks at the sockets: commands count with their bytes and
 * the second figure. Some 10 ms; the rest waits for the next turn, so that a flood holds up neither votes nor heartbeats.
 */
export const TURN_WORK_BYTES = 1024 * 1024;
export const COMMAND_WORK_BYTES = 1024;

/** Buffers above this size are given back once empty: 10,000 idle connections must stay cheap. */
export const IDLE_BUFFER_BYTES_MAX = 16 * 1024;
/** A reply buffer above this size is handed to the stream as it is; below it is copied and used again. */
export const HANDOVER_BYTES_MIN = 8 * 1024;

/** Time to live as a command may give it: 2^52 ms, so that now + ttl stays a safe integer. */
export const EXPIRY_MS_MAX = 2 ** 52;
/** A closing client that does not take its last replies is cut off after this time. */
export const LINGER_MS = 5_000;
