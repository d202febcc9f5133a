/** The control calls behind `quorate shard verify` (ports/verify-calls.ts) as messages of control.proto, and back. */
import { VERDICTS, type Verdict } from '../ports/index.js';
import { memberFromWire, membersFromWire, membersToWire } from './wire-members.js';
import { bytes, integer, list, malformed, message, text, type MethodCodec } from './wire-message.js';

const PREFIX = 'VERDICT_';

export const VERIFY_CODECS: { readonly [M in 'verify' | 'mark' | 'audit']: MethodCodec<M> } = {
  verify: {
    encodeRequest: (request) => ({ ...request }),
    decodeRequest: (wire) => ({ group: integer(wire['group']), timeoutMs: integer(wire['timeoutMs']) }),
    encodeResponse: (response) => ({
      ...response,
      replicas: response.replicas.map(({ isLearner, verdict, ...rest }) => ({
        ...rest,
        learner: isLearner,
        verdict: PREFIX + verdict.toUpperCase(),
      })),
    }),
    decodeResponse: (wire) => ({
      group: integer(wire['group']),
      index: integer(wire['index']),
      differsFrom: integer(wire['differsFrom']),
      replicas: list(wire['replicas']).map((item) => {
        const replica = message(item);
        return {
          ...memberFromWire(replica),
          verdict: verdictOf(replica['verdict']),
          hash: text(replica['hash']),
          rehashedIndex: integer(replica['rehashedIndex']),
          items: integer(replica['items']),
          detail: text(replica['detail']),
        };
      }),
    }),
  },
  mark: {
    encodeRequest: (request) => ({ ...request }),
    decodeRequest: (wire) => ({ group: integer(wire['group']) }),
    encodeResponse: ({ index, members }) => ({
      index,
      members: membersToWire(members),
    }),
    decodeResponse: (wire) => ({
      index: integer(wire['index']),
      members: membersFromWire(wire['members']),
    }),
  },
  audit: {
    encodeRequest: (request) => ({ ...request }),
    decodeRequest: (wire) => ({
      group: integer(wire['group']),
      replica: integer(wire['replica']),
      index: integer(wire['index']),
      waitMs: integer(wire['waitMs']),
    }),
    encodeResponse: ({ isRotten, ...response }) => ({ ...response, rotten: isRotten }),
    decodeResponse: (wire) => ({
      hash: text(wire['hash']),
      isRotten: wire['rotten'] === true,
      rehashedIndex: integer(wire['rehashedIndex']),
      items: integer(wire['items']),
      noted: bytes(wire['noted']),
    }),
  },
};

function verdictOf(value: unknown): Verdict {
  if (value === `${PREFIX}UNSPECIFIED`) return 'unreachable';
  return VERDICTS.find((verdict) => PREFIX + verdict.toUpperCase() === value) ?? malformed('unknown verdict');
}
