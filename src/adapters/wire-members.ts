/** Members of a group as the control calls bear them: `{replica, node, learner}`. */
import { integer, list, message, type WireMessage } from './wire-message.js';

export interface WireMember {
  readonly replica: number;
  readonly node: number;
  readonly isLearner: boolean;
}

export function membersToWire(members: readonly WireMember[]): WireMessage[] {
  return members.map(({ replica, node, isLearner }) => ({ replica, node, learner: isLearner }));
}

export function membersFromWire(wire: unknown): WireMember[] {
  return list(wire).map((item) => memberFromWire(message(item)));
}

/** Of a message that tells more of the member. */
export function memberFromWire(wire: WireMessage): WireMember {
  return {
    replica: integer(wire['replica']),
    node: integer(wire['node']),
    isLearner: wire['learner'] === true,
  };
}
