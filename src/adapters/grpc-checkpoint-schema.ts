/** The control calls behind `quorate shard checkpoint` (ports/checkpoint-calls.ts) as messages of control.proto, and back. */
import { CHECKPOINT_OUTCOMES, type CheckpointOutcomeName } from '../ports/index.js';
import { memberFromWire } from './wire-members.js';
import { integer, list, malformed, message, text, type MethodCodec } from './wire-message.js';

const PREFIX = 'CHECKPOINT_OUTCOME_';

export const CHECKPOINT_CODECS: {
  readonly [M in 'checkpoint' | 'writeCheckpoint']: MethodCodec<M>;
} = {
  checkpoint: {
    encodeRequest: (request) => ({ ...request }),
    decodeRequest: (wire) => ({ group: integer(wire['group']), timeoutMs: integer(wire['timeoutMs']) }),
    encodeResponse: ({ group, replicas }) => ({
      group,
      replicas: replicas.map(({ isLearner, outcome, ...rest }) => ({
        ...rest,
        learner: isLearner,
        outcome: PREFIX + outcome.toUpperCase(),
      })),
    }),
    decodeResponse: (wire) => ({
      group: integer(wire['group']),
      replicas: list(wire['replicas']).map((item) => {
        const replica = message(item);
        return {
          ...memberFromWire(replica),
          outcome: outcomeOf(replica['outcome']),
          index: integer(replica['index']),
          bytes: integer(replica['bytes']),
          tookMs: integer(replica['tookMs']),
          detail: text(replica['detail']),
        };
      }),
    }),
  },
  writeCheckpoint: {
    encodeRequest: (request) => ({ ...request }),
    decodeRequest: (wire) => ({
      group: integer(wire['group']),
      replica: integer(wire['replica']),
      waitMs: integer(wire['waitMs']),
    }),
    encodeResponse: ({ outcome, ...rest }) => ({ ...rest, outcome: PREFIX + outcome.toUpperCase() }),
    decodeResponse: (wire) => ({
      outcome: outcomeOf(wire['outcome']),
      index: integer(wire['index']),
      bytes: integer(wire['bytes']),
      tookMs: integer(wire['tookMs']),
      detail: text(wire['detail']),
    }),
  },
};

function outcomeOf(value: unknown): CheckpointOutcomeName {
  if (value === `${PREFIX}UNSPECIFIED`) return 'unreachable';
  const found = CHECKPOINT_OUTCOMES.find((outcome) => PREFIX + outcome.toUpperCase() === value);
  return found ?? malformed('unknown outcome of a checkpoint');
}
