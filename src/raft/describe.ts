/** Text for people and for the scripted tests, whose expected output it is: one line per thing, stable wording. */
import { decodeUtf8 } from '../base/index.js';
import { EntryKind } from './types.js';
import type {
  Configuration,
  Entry,
  FetchRequest,
  HardState,
  Message,
  RaftStatus,
  ReadOutcome,
  Ready,
  RoleChange,
} from './types.js';

/** Longer data is cut: a line should stay a line. */
const DATA_SHOWN_MAX = 24;

export function describeEntry(entry: Entry): string {
  const place = `${entry.index}@${entry.term}`;
  switch (entry.kind) {
    case EntryKind.empty:
      return place;
    case EntryKind.configuration:
      return `${place} configuration`;
    case EntryKind.normal:
      return `${place} ${describeData(entry.data)}`;
  }
}

function describeData(data: Uint8Array): string {
  const text = JSON.stringify(decodeUtf8(data, 0, Math.min(data.length, DATA_SHOWN_MAX)));
  return data.length > DATA_SHOWN_MAX ? `${text}+${data.length - DATA_SHOWN_MAX}` : text;
}

export function describeEntries(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(', ')}]`;
}

export function describeHardState(hardState: HardState): string {
  return `term=${hardState.term} vote=${hardState.vote} commit=${hardState.commit}`;
}

export function describeConfiguration(configuration: Configuration): string {
  const parts = [`v${configuration.version} voters=(${configuration.voters.join(' ')})`];
  if (configuration.outgoing.length > 0) parts.push(`outgoing=(${configuration.outgoing.join(' ')})`);
  if (configuration.learners.length > 0) parts.push(`learners=(${configuration.learners.join(' ')})`);
  if (configuration.learnersNext.length > 0) parts.push(`next=(${configuration.learnersNext.join(' ')})`);
  if (configuration.autoLeave) parts.push('auto-leave');
  return parts.join(' ');
}

export function describeMessage(message: Message): string {
  return `${message.from}->${message.to} ${message.type} term=${message.term}${describeBody(message)}`;
}

function describeBody(message: Message): string {
  switch (message.type) {
    case 'append': {
      const entries = message.entries.length > 0 ? ` ${describeEntries(message.entries)}` : '';
      return ` after ${message.prevIndex}@${message.prevTerm} commit=${message.commit}${entries}`;
    }
    case 'append_response':
      return message.reject
        ? ` rejected=${message.index} hint=${message.hintIndex}@${message.hintTerm}`
        : ` index=${message.index}`;
    case 'heartbeat':
      return ` commit=${message.commit}`;
    case 'vote':
      return `${message.pre ? ' pre' : ''}${message.transfer ? ' transfer' : ''} last=${message.lastIndex}@${message.lastTerm}`;
    case 'vote_response':
      return `${message.pre ? ' pre' : ''} ${message.granted ? 'granted' : 'refused'}`;
    case 'read_round':
    case 'read_round_response':
      return ` round=${message.round}`;
    case 'snapshot': {
      const { index, term, configuration } = message.snapshot;
      return ` ${index}@${term} ${describeConfiguration(configuration)}`;
    }
    case 'removed':
      return ` since v${message.configurationVersion}`;
    case 'heartbeat_response':
    case 'timeout_now':
    case 'suspect':
      return '';
  }
}

export function describeRoleChange(change: RoleChange): string {
  return `${change.role} term=${change.term} leader=${change.leader}`;
}

export function describeFetch(fetch: FetchRequest): string {
  const purpose = fetch.purpose === 'apply' ? 'to apply' : `for ${fetch.purpose}`;
  return `#${fetch.id} [${fetch.lo}, ${fetch.hi}) ${purpose}`;
}

export function describeReadOutcome(outcome: ReadOutcome): string {
  return outcome.kind === 'confirmed'
    ? `read ${outcome.context} confirmed at ${outcome.index}`
    : `read ${outcome.context} aborted, leader=${outcome.leader}`;
}

/** Several lines: one per kind of thing that the Ready brings, and one per message. */
export function describeReady(ready: Ready): string {
  const lines = [`ready ${ready.number}${ready.mustPersist ? ' must persist' : ''}`];
  const section = (name: string, items: readonly string[]): void => {
    for (const item of items) lines.push(`  ${name}: ${item}`);
  };
  if (ready.roleChange !== null) section('role', [describeRoleChange(ready.roleChange)]);
  if (ready.hardState !== null) section('hard state', [describeHardState(ready.hardState)]);
  if (ready.snapshot !== null) {
    const { index, term, configuration } = ready.snapshot;
    section('snapshot', [`${index}@${term} ${describeConfiguration(configuration)}`]);
  }
  if (ready.entries.length > 0) section('entries', [describeEntries(ready.entries)]);
  section('send', ready.messages.map(describeMessage));
  section('send when persisted', ready.messagesAfterPersist.map(describeMessage));
  if (ready.committed.length > 0) section('apply', [describeEntries(ready.committed)]);
  section('read', ready.reads.map(describeReadOutcome));
  section('fetch', ready.fetches.map(describeFetch));
  if (ready.removedFromVersion > 0) section('removed', [`since v${ready.removedFromVersion}`]);
  if (ready.snapshotsWanted.length > 0) section('snapshot wanted', [ready.snapshotsWanted.join(' ')]);
  return lines.join('\n');
}

/** One line for the replica, one per follower. */
export function describeStatus(status: RaftStatus): string {
  const { configuration } = status;
  const head =
    `${status.id} ${status.role} term=${status.term} vote=${status.vote} leader=${status.leader}` +
    ` log=[${status.firstIndex}, ${status.lastIndex}] commit=${status.commit} applied=${status.applied}` +
    ` persisted=${status.persisted}` +
    (configuration.version === 1 ? '' : ` ${describeConfiguration(configuration)}`) +
    (status.transferTarget === 0 ? '' : ` handing over to ${status.transferTarget}`);
  const followers = status.followers.map(
    (f) =>
      `  ${f.id} ${f.state} match=${f.match} next=${f.next}` +
      (f.recentlyActive ? '' : ' inactive') +
      (f.suspect ? ' suspect' : '') +
      (f.inflightMessages === 0 ? '' : ` inflight=${f.inflightMessages}`),
  );
  return [head, ...followers].join('\n');
}
