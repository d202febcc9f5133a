/**
 * One schema for a node's settings: names, defaults, limits, validation. Flags beat environment (`QUORATE_*`),
 * which beats the file (`quorate.yaml`), which beats what the data directory stores, which beats these defaults.
 * Units are in the names. Errors name the setting and what it accepts.
 */
import { z } from 'zod';

import { addressSchema } from './address-schema.js';
import { parseByteSize } from './byte-sizes.js';
import { MEMORY_BYTES_MIN } from './cluster-settings.js';
import { readRespListeners } from './resp-listeners.js';
import type { RespListener } from './resp-listeners.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** A command must fit one entry, and an entry one frame between nodes, which ends at 80 MiB. */
const COMMAND_BYTES_CEILING = 64 * MIB;

/** Every form that `readRespListeners` knows becomes a list; the default follows the pattern of the other listeners. */
const respSchema = z
  .unknown()
  .transform((value, context): readonly RespListener[] => {
    const read = readRespListeners(value);
    if (read.ok) return read.listeners;
    context.addIssue({ code: 'custom', message: read.problem });
    return z.NEVER;
  })
  .prefault('127.0.0.1:7379');

/** A size, as a number or with a unit; `auto` follows the machine's memory. */
const memorySchema = z
  .unknown()
  .transform((value, context): number | 'auto' => {
    if (value === 'auto') return value;
    const bytes = typeof value === 'string' ? parseByteSize(value) : value;
    const isSize = typeof bytes === 'number' && Number.isSafeInteger(bytes);
    if (isSize && (bytes === 0 || bytes >= MEMORY_BYTES_MIN)) return bytes;
    const message = 'expected auto, 0 (no limit), or a size of at least 1mb such as 512mb or 2gb';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  })
  .prefault('auto');

export const nodeSettingsSchema = z.strictObject({
  /** Data directory. */
  data: z.string().min(1).default('./data'),
  /** Listening addresses. `peer` defaults to the gRPC port + 50, `resp` and `http` follow the same pattern. */
  grpc: addressSchema.default('127.0.0.1:7600'),
  peer: addressSchema.default('127.0.0.1:7650'),
  resp: respSchema,
  http: addressSchema.default('127.0.0.1:7700'),
  /** Host that others are told; empty: the listening host. */
  advertiseHost: z.string().default(''),
  /** gRPC addresses of nodes to ask for a cluster. */
  join: z.array(addressSchema).max(64).default([]),
  /** Found a cluster of one by itself. */
  single: z.boolean().default(false),
  /** With `single`: number of shards. */
  shards: z.int().min(1).max(4096).default(16),
  insecure: z.boolean().default(false),
  /**
   * How a leader answers reads that ask for nothing else: `quorum` asks one each time; `lease` relies on clocks that
   * drift apart by no more than `raft.clockDriftRatio`. The same on all nodes: a lease needs a quorum that grants it.
   */
  reads: z.enum(['quorum', 'lease']).default('quorum'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),

  raft: z
    .strictObject({
      tickMs: z.int().min(5).max(10_000).default(50),
      /** Ticks without a leader before an election: the time-out is drawn from [n, 2n). */
      electionTicks: z.int().min(3).max(1000).default(6),
      heartbeatTicks: z.int().min(1).max(100).default(2),
      preVote: z.boolean().default(true),
      /** A log write that takes longer makes the node give its leaderships up. */
      diskStallMs: z.int().min(100).max(600_000).default(2_000),
      /** By how much the monotonic clocks of two nodes may run at different speeds. */
      clockDriftRatio: z.number().min(0.001).max(0.5).default(0.1),
      /** Idle groups stop their clocks; nodes watch each other instead. */
      quiesce: z.boolean().default(true),
    })
    .prefault({}),
  log: z
    .strictObject({
      /** False loses acknowledged writes on power loss: unsafe, for measurements only. */
      sync: z.boolean().default(true),
      /** Bytes of a group's log after which a checkpoint is due (or the last checkpoint's size, if larger). */
      checkpointBytes: z
        .int()
        .min(4 * KIB)
        .default(16 * MIB),
      /**
       * Of a group's log so much at most is kept for slow receivers of snapshots, besides what is kept anyway; past
       * it the transfer starts anew, with twice as much, up to eight times.
       */
      bytesMax: z
        .int()
        .min(64 * KIB)
        .default(512 * MIB),
      /** Entries of a group's log after which a checkpoint is due. */
      checkpointEntries: z.int().min(16).default(10_000),
    })
    .prefault({}),
  snapshot: z
    .strictObject({
      /** Of checkpoints sent, and of those received, by the node: more of it is felt by clients. */
      bytesPerSecondMax: z
        .int()
        .min(64 * KIB)
        .default(32 * MIB),
    })
    .prefault({}),
  memory: z
    .strictObject({
      /**
       * Memory of the tables of all replicas here. `auto`: half of the machine's, where whoever starts the node says
       * how much that is; else no limit. 0: no limit.
       */
      max: memorySchema,
      /** Items of all replicas here; 0: no limit. */
      maxItems: z.int().min(0).default(0),
    })
    .prefault({}),
  feed: z
    .strictObject({
      /**
       * Memory of a shard's change feed here, at most; `memory.max` may leave it less (memory-plan.ts). 0: nothing is
       * kept, and who was away takes a state.
       */
      bytesMax: z
        .int()
        .min(0)
        .max(1024 * MIB)
        .default(MIB),
      /** Events of a shard that are kept here, at most. */
      eventsMax: z.int().min(0).max(16_777_216).default(32_768),
    })
    .prefault({}),
  disk: z
    .strictObject({
      /** Below this share of the disk, or below `reserveBytes`, client writes are refused. */
      reserveRatio: z.number().min(0).max(0.5).default(0.05),
      reserveBytes: z
        .int()
        .min(0)
        .default(512 * MIB),
      /** Size of the file that is given up when the disk is full. */
      ballastBytes: z
        .int()
        .min(0)
        .default(16 * MIB),
    })
    .prefault({}),
  limits: z
    .strictObject({
      valueBytesMax: z
        .int()
        .min(1)
        .max(COMMAND_BYTES_CEILING)
        .default(8 * MIB),
      /** All arguments of one command. */
      commandBytesMax: z.int().min(KIB).max(COMMAND_BYTES_CEILING).default(COMMAND_BYTES_CEILING),
      connectionsMax: z.int().min(1).default(10_000),
      outputBytesMax: z
        .int()
        .min(KIB)
        .default(32 * MIB),
      /** Past it for ten seconds on end a client is closed, too. */
      outputSoftBytesMax: z
        .int()
        .min(KIB)
        .default(8 * MIB),
      /** Bytes of commands that this node holds unanswered. */
      inflightBytesMax: z
        .int()
        .min(KIB)
        .default(64 * MIB),
      requestTimeoutMs: z.int().min(10).default(5_000),
      grpcConnectionsMax: z.int().min(1).default(10_000),
      /** Calls that one gRPC connection may have open at a time, streams included. */
      grpcStreamsMax: z.int().min(1).max(65_536).default(256),
      /** One gRPC message, after decompression. */
      grpcMessageBytesMax: z
        .int()
        .min(MIB)
        .max(1024 * MIB)
        .default(16 * MIB),
    })
    .prefault({}),
});

export type NodeSettings = z.output<typeof nodeSettingsSchema>;
export type NodeSettingsInput = z.input<typeof nodeSettingsSchema>;
