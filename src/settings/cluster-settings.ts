/**
 * Settings of the whole cluster: kept in group 0 as text, changed at run time, in force on every node as soon as it
 * hears of them. One table says what there is, what each accepts and what holds while nobody has set it. A name that
 * this version doesn't know is kept by group 0 and means nothing here.
 */
import { describeByteSize, parseByteSize } from './byte-sizes.js';

/** `none`: writes over budget are refused. */
export const EVICTION_POLICIES = ['none', 'lru', 's3fifo'] as const;
export type EvictionPolicyName = (typeof EVICTION_POLICIES)[number];

export const MEMORY_BYTES_MIN = 1024 * 1024;
const NODE = 'node';

export interface ClusterSettings {
  readonly evictionPolicy: EvictionPolicyName;
  /** The most that any node gives to tables; 0: each node's own setting alone. */
  readonly memoryBytesMax: number;
  /** The most items on any node; 0: each node's own setting alone. */
  readonly memoryItemsMax: number;
}

interface Row {
  readonly help: string;
  readonly fallback: string;
  /** In words, for errors and help. */
  readonly accepts: string;
  /** The value as it is kept, or null when it is none. */
  readonly read: (text: string) => string | null;
}

export const CLUSTER_SETTINGS = {
  'eviction.policy': {
    help: 'who goes when a shard is at its budget',
    fallback: 's3fifo',
    accepts: EVICTION_POLICIES.join(', '),
    read: (text) => EVICTION_POLICIES.find((policy) => policy === text.toLowerCase()) ?? null,
  },
  'memory.max': {
    help: "upper bound of every node's memory.max",
    fallback: NODE,
    accepts: `a size of at least 1mb such as 512mb or 2gb, or ${NODE} (each node's own setting alone)`,
    read: (text) => {
      if (text.toLowerCase() === NODE) return NODE;
      const bytes = parseByteSize(text);
      return bytes === null || bytes < MEMORY_BYTES_MIN ? null : describeByteSize(bytes);
    },
  },
  'memory.maxItems': {
    help: "upper bound of every node's memory.maxItems",
    fallback: NODE,
    accepts: `a number of items from 1 on, or ${NODE} (each node's own setting alone)`,
    read: (text) => {
      if (text.toLowerCase() === NODE) return NODE;
      return /^[1-9]\d{0,14}$/.test(text) ? text : null;
    },
  },
} as const satisfies Record<string, Row>;

export type ClusterSettingName = keyof typeof CLUSTER_SETTINGS;
export const CLUSTER_SETTING_NAMES = Object.keys(CLUSTER_SETTINGS) as ClusterSettingName[];

export function isClusterSettingName(name: string): name is ClusterSettingName {
  return Object.hasOwn(CLUSTER_SETTINGS, name);
}

/** The value as it is kept, or what is wrong with it, with what is accepted. */
export function readClusterSetting(
  name: string,
  text: string,
): { readonly ok: true; readonly value: string } | { readonly ok: false; readonly problem: string } {
  if (!isClusterSettingName(name)) return { ok: false, problem: unknownSetting(name) };
  const value = CLUSTER_SETTINGS[name].read(text);
  if (value !== null) return { ok: true, value };
  return { ok: false, problem: `${name}: expected ${CLUSTER_SETTINGS[name].accepts}; got "${text}"` };
}

export function unknownSetting(name: string): string {
  return `there is no cluster setting "${name}": there are ${CLUSTER_SETTING_NAMES.join(', ')}`;
}

/** What is in force. A value that can't be read (of another version) counts as not set. */
export function clusterSettingsOf(
  settings: readonly { readonly name: string; readonly value: string }[],
): ClusterSettings {
  const textOf = (name: ClusterSettingName): string => {
    const kept = settings.find((setting) => setting.name === name)?.value;
    return (kept === undefined ? null : CLUSTER_SETTINGS[name].read(kept)) ?? CLUSTER_SETTINGS[name].fallback;
  };
  return {
    evictionPolicy: EVICTION_POLICIES.find((policy) => policy === textOf('eviction.policy')) ?? 's3fifo',
    memoryBytesMax: parseByteSize(textOf('memory.max')) ?? 0,
    memoryItemsMax: Number(textOf('memory.maxItems').replace(NODE, '0')),
  };
}
