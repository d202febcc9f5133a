/**
 * What group 0 knows besides the map: settings of the cluster, and each shard's share of the nodes' memory. Both move
 * the map version, by which the state travels to every node.
 *
 *   settings: u32 count | (name | value)…, names ascending
 *   shares:   u32 count | (u32 group | u64 version | u64 bytesMax | u64 itemsMax)…, groups ascending
 *
 * A value is text, as people give it; what it may be is decided where it is set (settings/cluster-settings.ts), so that
 * an older program can hold what a newer one understands.
 */
import type { ByteReader, ByteWriter, GroupId, MapVersion } from '../base/index.js';

export interface ClusterSetting {
  readonly name: string;
  readonly value: string;
}

export interface MemoryShare {
  readonly group: GroupId;
  /** The map version at which it got these numbers. */
  readonly version: MapVersion;
  /** 0: no limit. */
  readonly bytesMax: number;
  /** 0: no limit. */
  readonly itemsMax: number;
}

export type NewShare = Omit<MemoryShare, 'version'>;

/** Bounds what commands can make the state grow to. */
export const SETTINGS_MAX = 256;
export const SETTING_NAME_MAX = 64;
export const SETTING_VALUE_MAX = 1024;
const SHARES_MAX = 65_536;

export interface MemoryState {
  readonly settings: readonly ClusterSetting[];
  readonly shares: readonly MemoryShare[];
}

export function encodeMemory(w: ByteWriter, { settings, shares }: MemoryState): void {
  w.u32(settings.length);
  for (const { name, value } of settings) {
    w.string16(name);
    w.string16(value);
  }
  w.u32(shares.length);
  for (const share of shares) {
    w.u32(share.group);
    w.u64(share.version);
    w.u64(share.bytesMax);
    w.u64(share.itemsMax);
  }
}

export function decodeMemory(r: ByteReader): MemoryState {
  const settings: ClusterSetting[] = [];
  for (let left = countOf(r, SETTINGS_MAX); left > 0; left--) {
    settings.push({ name: r.string16(), value: r.string16() });
  }
  const shares: MemoryShare[] = [];
  for (let left = countOf(r, SHARES_MAX); left > 0; left--) {
    shares.push({ group: r.u32(), version: r.u64(), bytesMax: r.u64(), itemsMax: r.u64() });
  }
  return { settings, shares };
}

/** Of `set`: the name and the value; an empty value takes the setting back to its default. */
export function encodeSettingOperands(w: ByteWriter, name: string, value: string): void {
  w.string16(name);
  w.string16(value);
}

/** The settings after the command; the same list when nothing changed. */
export function withSetting(settings: readonly ClusterSetting[], r: ByteReader): readonly ClusterSetting[] {
  const name = r.string16();
  const value = r.string16();
  if (r.remaining > 0 || name === '' || name.length > SETTING_NAME_MAX || value.length > SETTING_VALUE_MAX)
    throw new RangeError('malformed setting');
  const known = settings.find((setting) => setting.name === name);
  if ((known?.value ?? '') === value) return settings;
  const others = settings.filter((setting) => setting !== known);
  if (value === '') return others;
  if (others.length >= SETTINGS_MAX) throw new RangeError(`more than ${SETTINGS_MAX} settings`);
  return [...others, { name, value }].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** u64 map version that the shares were computed from | u32 count | (u32 group | u64 bytesMax | u64 itemsMax)… */
export function encodeSharesOperands(w: ByteWriter, seen: MapVersion, shares: readonly NewShare[]): void {
  w.u64(seen);
  w.u32(shares.length);
  for (const { group, bytesMax, itemsMax } of shares) {
    w.u32(group);
    w.u64(bytesMax);
    w.u64(itemsMax);
  }
}

/**
 * The shares after the command, those that it names under the next map version; the same list when nothing changed, or
 * when the state has moved since they were computed.
 */
export function withShares(
  state: MemoryState & { readonly mapVersion: MapVersion },
  groups: ReadonlySet<GroupId>,
  r: ByteReader,
): readonly MemoryShare[] {
  const seen = r.u64();
  const named: NewShare[] = [];
  for (let left = countOf(r, SHARES_MAX); left > 0; left--) {
    named.push({ group: r.u32(), bytesMax: r.u64(), itemsMax: r.u64() });
  }
  if (r.remaining > 0) throw new RangeError('malformed shares');
  if (seen !== state.mapVersion) return state.shares;
  const shares = new Map(state.shares.map((share) => [share.group, share]));
  let changed = false;
  for (const share of named) {
    const known = shares.get(share.group);
    const isSame = known?.bytesMax === share.bytesMax && known.itemsMax === share.itemsMax;
    if (isSame || !groups.has(share.group)) continue;
    shares.set(share.group, { ...share, version: state.mapVersion + 1 });
    changed = true;
  }
  return changed ? [...shares.values()].sort((a, b) => a.group - b.group) : state.shares;
}

function countOf(r: ByteReader, max: number): number {
  const count = r.u32();
  if (count > max) throw new RangeError(`meta state with a list of ${count}`);
  return count;
}
