/**
 * Tags (field number and wire type in one byte) of the messages that are written and read without a table: batches,
 * operations, results, hints. Field numbers of proto/quorate/v1/cache.proto; tests compare the two.
 */
import { WireType } from './wire-writer.js';

const varint = (field: number): number => field * 8 + WireType.varint;
const bytes = (field: number): number => field * 8 + WireType.bytes;

/** `PipelineRequest` and `BatchWriteRequest`. */
export const REQUEST_HEADER_TAG = bytes(1);
export const REQUEST_OPERATION = bytes(2);
export const REQUEST_FIELD_MAX = 2;

/** `Operation`; its alternatives are `OperationKind`'s numbers. */
export const OPERATION_ID = varint(1);
export const OPERATION_KEY = bytes(2);
export const OPERATION_SEQUENCE = varint(11);
export const OPERATION_LOWEST_UNANSWERED = varint(12);
export const OPERATION_FIELD_MAX = 12;

export const GET_WITH_META = varint(1);

export const SET_VALUE = bytes(1);
export const SET_EXPIRY = bytes(2);
export const SET_CONDITION = varint(3);
export const SET_KEEP_TTL = varint(4);

export const CAS_EXPECTED = varint(1);
export const CAS_VALUE = bytes(2);
export const CAS_EXPIRY = bytes(3);
export const CAS_KEEP_TTL = varint(4);

export const CAD_EXPECTED = varint(1);

export const INCREMENT_DELTA = varint(1);

export const TOUCH_EXPIRY = bytes(1);

/** `PipelineResponse`, `BatchGetResponse` and `BatchWriteResponse`. */
export const RESPONSE_RESULT = bytes(1);
export const RESPONSE_HINT = bytes(2);
export const RESPONSE_MAP_VERSION = varint(3);
export const RESPONSE_SESSION = bytes(4);
export const RESPONSE_FIELD_MAX = 4;

/** `OperationResult`. */
export const RESULT_ID = varint(1);
export const RESULT_ERROR = bytes(2);
export const RESULT_FOUND = varint(3);
export const RESULT_APPLIED = varint(4);
export const RESULT_VALUE = bytes(5);
export const RESULT_VERSION = varint(6);
export const RESULT_NUMBER = varint(7);
export const RESULT_TTL_MS = varint(8);
export const RESULT_FIELD_MAX = 8;

/** `LeaderHint`. */
export const HINT_SHARD = varint(1);
export const HINT_NODE = varint(2);
export const HINT_TERM = varint(3);
export const HINT_FIELD_MAX = 3;
