/**
 * Reads V8's .cpuprofile files: self time by function and by module, within a window. Pure.
 *
 * A profile is a tree of call-tree nodes, a list of samples (which node was running) and the time between them. A
 * sample's time is that until the next one. `(idle)` is time in which the main thread waited; shares are of the rest.
 */

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  /** Microseconds of the system's monotonic clock. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface Cost {
  readonly name: string;
  readonly module: string;
  readonly selfMs: number;
  /** Of the time that the main thread was busy, 0..1. */
  readonly share: number;
}

export interface ProfileSummary {
  readonly busyMs: number;
  readonly idleMs: number;
  readonly functions: readonly Cost[];
  readonly modules: readonly Cost[];
}

/** Several processes' profiles as one. Only samples from `fromUs` to `toUs` count. */
export function summariseProfiles(
  profiles: readonly CpuProfile[],
  fromUs = -Infinity,
  toUs = Infinity,
): ProfileSummary {
  const selfUs = new Map<string, number>();
  for (const profile of profiles) addSelfTimes(profile, fromUs, toUs, selfUs);
  const idleUs = selfUs.get(IDLE) ?? 0;
  selfUs.delete(IDLE);
  let busyUs = 0;
  const byModule = new Map<string, number>();
  for (const [key, us] of selfUs) {
    busyUs += us;
    const module = splitKey(key).module;
    byModule.set(module, (byModule.get(module) ?? 0) + us);
  }
  const costs = (
    times: ReadonlyMap<string, number>,
    name: (key: string) => { name: string; module: string },
  ): Cost[] =>
    [...times]
      .map(([key, us]) => ({ ...name(key), selfMs: us / 1000, share: busyUs === 0 ? 0 : us / busyUs }))
      .sort((a, b) => b.selfMs - a.selfMs);
  return {
    busyMs: busyUs / 1000,
    idleMs: idleUs / 1000,
    functions: costs(selfUs, splitKey),
    modules: costs(byModule, (module) => ({ name: '', module })),
  };
}

function addSelfTimes(profile: CpuProfile, fromUs: number, toUs: number, selfUs: Map<string, number>): void {
  const keys = new Map(
    profile.nodes.map(({ id, callFrame }) => [id, keyOf(callFrame.functionName, callFrame.url)]),
  );
  let nowUs = profile.startTime;
  for (const [i, id] of profile.samples.entries()) {
    // Delta i lies before sample i; sample i lasts until the next one.
    nowUs += profile.timeDeltas[i] ?? 0;
    const lastsUs = profile.timeDeltas[i + 1] ?? 0;
    const key = keys.get(id);
    if (key === undefined || nowUs < fromUs || nowUs >= toUs || lastsUs <= 0) continue;
    selfUs.set(key, (selfUs.get(key) ?? 0) + lastsUs);
  }
}

const SEPARATOR = '\n';
const IDLE = `(idle)${SEPARATOR}v8`;

function keyOf(functionName: string, url: string): string {
  return `${functionName === '' ? '(anonymous)' : functionName}${SEPARATOR}${moduleOf(functionName, url)}`;
}

function splitKey(key: string): { name: string; module: string } {
  const at = key.lastIndexOf(SEPARATOR);
  return { name: key.slice(0, at), module: key.slice(at + 1) };
}

/** `src/group` of ours, the package's name of others, `node:net` of Node's own, `native` and `v8` of what has no file. */
export function moduleOf(functionName: string, url: string): string {
  const packaged = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url);
  if (packaged !== null) return packaged[1] as string;
  const ours = /\/src\/(.+)\.[cm]?[jt]s$/.exec(url);
  if (ours !== null) {
    const parts = (ours[1] as string).split('/');
    return parts.length === 1 ? `src/${parts[0]}` : `src/${parts.slice(0, -1).join('/')}`;
  }
  if (url.startsWith('node:')) return url.split('/')[0] as string;
  return url === '' ? (functionName.startsWith('(') ? 'v8' : 'native') : url;
}

export function describeProfile(summary: ProfileSummary, count: number): string {
  const total = summary.busyMs + summary.idleMs;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`.padStart(7);
  const lines = [
    `main threads: ${percent(total === 0 ? 0 : summary.busyMs / total).trim()} busy; shares are of that`,
    '',
    'modules',
    ...summary.modules.slice(0, count).map((cost) => `  ${percent(cost.share)}  ${cost.module}`),
    '',
    'functions by self time',
    ...summary.functions
      .slice(0, count)
      .map((cost) => `  ${percent(cost.share)}  ${cost.name}  ${cost.module}`),
  ];
  return lines.join('\n');
}
