/** Answers `config` calls: settings of the cluster, read and changed through group 0, so linearizably. */
import { encodeMetaState, META_NOTHING, type MetaState } from '../meta/index.js';
import type { ConfigRequest, ConfigResponse, ControlFailure } from '../ports/index.js';
import {
  CLUSTER_SETTING_NAMES,
  CLUSTER_SETTINGS,
  isClusterSettingName,
  readClusterSetting,
  unknownSetting,
  type ClusterSettingName,
} from '../settings/index.js';
import type { Member } from './member.js';

type Reply = (failure: ControlFailure | null, response: ConfigResponse | null) => void;

export function answerConfig(member: Member, request: ConfigRequest, reply: Reply): void {
  const { action, name } = request;
  const done = (failure: ControlFailure | null, state: MetaState | null): void => {
    if (state === null) {
      reply(failure, null);
      return;
    }
    member.view.update(state);
    const wanted =
      action === 'list' ? CLUSTER_SETTING_NAMES : CLUSTER_SETTING_NAMES.filter((n) => n === name);
    reply(null, { settings: wanted.map((n) => rowOf(n, state)), state: encodeMetaState(state) });
  };
  if (action !== 'list' && !isClusterSettingName(name)) {
    reply({ code: 'INVALID_ARGUMENT', message: unknownSetting(name) }, null);
    return;
  }
  if (action === 'set') {
    const read = readClusterSetting(name, request.value);
    if (!read.ok) reply({ code: 'INVALID_ARGUMENT', message: read.problem }, null);
    else member.meta.set(name, read.value, (failure, outcome) => done(failure, outcome?.state ?? null));
  } else if (action === 'reset') {
    member.meta.set(name, '', (failure, outcome) => done(failure, outcome?.state ?? null));
  } else {
    member.meta.report(0, META_NOTHING, (failure, outcome) => done(failure, outcome?.state ?? null));
  }
}

function rowOf(name: ClusterSettingName, state: MetaState): ConfigResponse['settings'][number] {
  const { accepts, help, fallback } = CLUSTER_SETTINGS[name];
  const kept = state.settings.find((setting) => setting.name === name);
  return { name, value: kept?.value ?? fallback, isDefault: kept === undefined, accepts, help };
}
