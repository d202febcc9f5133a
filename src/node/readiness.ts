/**
 * What a node still waits for before it is ready. Asked several times a second (health checks), so it is worked out
 * anew only when something that it depends on moved: a role, a hint, the map, recovery.
 */
import { META_GROUP, type GroupId, type NodeId } from '../base/index.js';
import type { MetaState } from '../meta/index.js';

export interface ReadinessFacts {
  readonly recovering: boolean;
  readonly view: { readonly state: MetaState };
  leaderOf(group: GroupId): NodeId;
}

export class Readiness {
  private known: readonly string[] | null = null;

  constructor(private readonly facts: ReadinessFacts) {}

  changed(): void {
    this.known = null;
  }

  /** In words; empty when the node is ready. */
  missing(): readonly string[] {
    return (this.known ??= missingUntilReady(this.facts));
  }
}

function missingUntilReady(facts: ReadinessFacts): string[] {
  if (facts.recovering) return ['replicas are being loaded from disk'];
  const missing: string[] = [];
  const leaderless = [META_GROUP, ...facts.view.state.shards.map((shard) => shard.id)].filter(
    (group) => facts.leaderOf(group) === 0,
  );
  if (leaderless.length > 0) missing.push(`no leader for ${describeGroups(leaderless)}`);
  return missing;
}

function describeGroups(groups: readonly number[]): string {
  const names = groups
    .slice(0, 16)
    .map((group) => (group === META_GROUP ? 'the meta group' : `shard ${group}`));
  return names.join(', ') + (groups.length > names.length ? ` and ${groups.length - names.length} more` : '');
}
