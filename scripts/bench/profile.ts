/** `--profile`: one row on a cluster whose nodes write CPU profiles, and where their main threads' time went. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import type { BenchContext } from './bench-context.js';
import { describeProfile, summariseProfiles } from './cpu-profile.js';
import type { CpuProfile } from './cpu-profile.js';
import type { Row } from './rows.js';
import { Results } from './samples.js';
import { startCluster } from './systems/quorate.js';
import { measureCluster } from './turns.js';

const COSTS_SHOWN = 20;
const SAMPLING_US = 500;

/** True when there is something to see. */
export async function runProfile(
  context: BenchContext,
  row: Row,
  say: (line: string) => void,
): Promise<boolean> {
  const profiles = path.join(context.scratch, 'profiles');
  const folder = path.join(context.scratch, 'profiled');
  mkdirSync(profiles, { recursive: true });
  mkdirSync(folder, { recursive: true });
  const nodeWords = ['--cpu-prof', '--cpu-prof-dir', profiles, '--cpu-prof-interval', String(SAMPLING_US)];
  const cluster = await startCluster({ ...context, nodeWords }, folder);
  const results = new Results();
  let fromUs = 0;
  let toUs = 0;
  try {
    fromUs = monotonicUs();
    await measureCluster({ context, number: 0, results, say, hasTime: () => true }, [row], cluster);
    toUs = monotonicUs();
  } finally {
    await cluster.stop(); // a node writes its profile when it ends in order
  }
  const files = readdirSync(profiles).filter((name) => name.endsWith('.cpuprofile'));
  const parsed = files.map(
    (name) => JSON.parse(readFileSync(path.join(profiles, name), 'utf8')) as CpuProfile,
  );
  if (results.of(row.id).length === 0 || parsed.length !== cluster.pids.length) {
    say(`${parsed.length} of ${cluster.pids.length} nodes left a profile`);
    return false;
  }
  say(
    `\n${row.id}, ${parsed.length} nodes, warm-up included\n${describeProfile(summariseProfiles(parsed, fromUs, toUs), COSTS_SHOWN)}`,
  );
  return true;
}

/** The clock of V8's profiles. */
function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
