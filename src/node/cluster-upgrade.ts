/** Answers `upgrade` calls: the cluster version, told or raised through group 0, so linearizably. */
import { encodeMetaState, META_NOTHING, upgradeTarget, type MetaState } from '../meta/index.js';
import type { ControlFailure, UpgradeRequest, UpgradeResponse } from '../ports/index.js';
import type { Member } from './member.js';

type Reply = (failure: ControlFailure | null, response: UpgradeResponse | null) => void;
type UpgradeMember = Pick<Member, 'view' | 'meta'>;

export function answerUpgrade(member: UpgradeMember, request: UpgradeRequest, reply: Reply): void {
  const { meta, view } = member;
  const tell = (failure: ControlFailure | null, state: MetaState | null): void => {
    if (state === null) {
      reply(failure, null);
      return;
    }
    view.update(state);
    reply(null, describe(state));
  };
  meta.report(0, META_NOTHING, (failure, now) => {
    if (now === null || request.action === 'status') {
      tell(failure, now?.state ?? null);
      return;
    }
    meta.raise(upgradeTarget(now.state), (refusal, after) => tell(refusal, after?.state ?? null));
  });
}

function describe(state: MetaState): UpgradeResponse {
  return {
    clusterVersion: state.clusterVersion,
    target: upgradeTarget(state),
    nodes: state.nodes
      .filter((node) => node.state !== 'removed')
      .map(({ id, addresses, versions }) => ({ id, address: addresses.grpc, versions })),
    state: encodeMetaState(state),
  };
}
