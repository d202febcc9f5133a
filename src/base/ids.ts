/**
 * Integers with a meaning. Each is a plain `number` at run time and a type of its own for the compiler, so that a
 * term can't be passed where an index is wanted. A bare number literal is accepted (no casts at call sites).
 * All are safe integers; the codecs check that at the border.
 */
declare const flavor: unique symbol;
export type Flavored<Name extends string> = number & { readonly [flavor]?: Name };

/** Position in a group's log. 0 means "before the first entry". */
export type LogIndex = Flavored<'LogIndex'>;
/** Raft term. 0 means "none yet". */
export type Term = Flavored<'Term'>;
/** A node: 1, 2, 3… in the order of joining; never reused. */
export type NodeId = Flavored<'NodeId'>;
/** A Raft group. Group 0 is the meta group; shard N is group N. */
export type GroupId = Flavored<'GroupId'>;
/** A member of a group; unique for the group's whole life. 0 means "none". */
export type ReplicaId = Flavored<'ReplicaId'>;
/** 0..16383. */
export type Slot = Flavored<'Slot'>;
/** Number of a Ready, of a storage batch: grows by one. */
export type ReadyNumber = Flavored<'ReadyNumber'>;
export type BatchNumber = Flavored<'BatchNumber'>;
/** Version of the shard map; only grows. */
export type MapVersion = Flavored<'MapVersion'>;
/** Milliseconds since the Unix epoch. */
export type WallMs = Flavored<'WallMs'>;
/** Milliseconds of a monotonic clock with an arbitrary start. */
export type MonoMs = Flavored<'MonoMs'>;

export const META_GROUP: GroupId = 0;
export const SLOT_COUNT = 16384;
