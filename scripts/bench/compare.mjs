/**
 * Quorate beside etcd, in turn, on one machine: `node scripts/bench/compare.mjs [--rounds 3] [--requests 100000]`.
 *
 * Each round runs etcd's three members and then Quorate's three nodes (never both at once), with 64 closed-loop
 * clients, values of 128 bytes, 100,000 keys; writes, then linearizable reads. Quorate is driven by Debian's
 * redis-benchmark through node 1 alone, so that two thirds of the keys are forwarded. Prints a row per system and
 * load with the median of the rounds, its spread, the CPU seconds of the servers, and the ratio of the medians.
 *
 * Needs Debian's redis-tools; etcd's rows need etcd-server, golang and golang-etcd-server-dev, and are left out, with
 * a line that says so, where they are missing. Data goes to a temporary folder.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..', '..');
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const rounds = option('rounds', 3);
const requests = option('requests', 100_000);
const clients = option('clients', 64);
const KEYS = 100_000;
const VALUE_BYTES = 128;
const BASE = { grpc: 17600, peer: 17650, resp: 17379, http: 17700 };

const scratch = mkdtempSync(join(tmpdir(), 'quorate-bench-'));
const results = new Map();

function record(system, load, perSecond, cpuSeconds) {
  const key = `${system} | ${load}`;
  if (!results.has(key)) results.set(key, { perSecond: [], cpuSeconds: [] });
  results.get(key).perSecond.push(perSecond);
  results.get(key).cpuSeconds.push(cpuSeconds);
}

/** CPU seconds used so far by these processes, user and system. */
function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

function measured(system, load, pids, run) {
  const before = cpuSeconds(pids);
  const perSecond = run();
  record(system, load, perSecond, cpuSeconds(pids) - before);
  console.log(`  ${system}, ${load}: ${Math.round(perSecond).toLocaleString('en')}/s`);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function endAll(pids) {
  for (const pid of pids) process.kill(pid, 'SIGTERM');
  for (let i = 0; i < 100 && pids.some((pid) => existsSync(`/proc/${pid}`)); i++) await sleep(100);
  for (const pid of pids) if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
}

function buildEtcdLoad() {
  if (spawnSync('etcd', ['--version']).status !== 0) return null;
  const binary = join(scratch, 'etcdload');
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode' };
  const built = spawnSync('go', ['build', '-o', binary, join(here, 'etcdload', 'main.go')], { env });
  return built.status === 0 ? binary : null;
}

async function etcdRound(binary, round) {
  const folder = join(scratch, `etcd-${round}`);
  const pids = execFileSync('bash', [join(here, 'etcd3.sh'), folder], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number);
  await sleep(3000);
  const endpoints = '127.0.0.1:3280,127.0.0.1:3281,127.0.0.1:3282';
  const drive = (mode) => () => {
    const args = [
      '-endpoints',
      endpoints,
      '-clients',
      clients,
      '-n',
      requests,
      '-mode',
      mode,
      '-value',
      VALUE_BYTES,
      '-keys',
      KEYS,
    ];
    const out = execFileSync(binary, args.map(String), { encoding: 'utf8' });
    const { ops_per_s: rate, errors } = JSON.parse(out);
    if (errors > 0) throw new Error(`etcd gave ${errors} errors`);
    return rate;
  };
  measured('etcd', 'writes', pids, drive('put'));
  measured('etcd', 'linearizable reads', pids, drive('get'));
  await endAll(pids);
}

function redisBenchmark(command, pipeline) {
  const args = [
    '-p',
    BASE.resp,
    '-t',
    command,
    '-c',
    clients,
    '-d',
    VALUE_BYTES,
    '-n',
    requests,
    '-r',
    KEYS,
    '-P',
    pipeline,
    '--csv',
  ];
  const out = execFileSync('redis-benchmark', args.map(String), { encoding: 'utf8' });
  const row = out.split('\n').find((line) => line.startsWith(`"${command.toUpperCase()}"`));
  if (row === undefined) throw new Error(`no rate in: ${out}`);
  return Number(row.split(',')[1].replaceAll('"', ''));
}

async function quorateRound(round) {
  const data = join(scratch, `quorate-${round}`);
  const flags = Object.entries(BASE).flatMap(([name, port]) => [`--base-${name}`, String(port)]);
  const dev = spawn(process.execPath, [join(root, 'dist/src/quorate.js'), 'dev', '--data', data, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve, reject) => {
    let text = '';
    dev.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('quorate: ready')) resolve();
    });
    dev.on('exit', () => reject(new Error(`quorate did not start:\n${text}`)));
  });
  const pids = JSON.parse(readFileSync(join(data, 'dev.json'), 'utf8')).nodes.map((node) => node.pid);
  measured('quorate', 'writes', pids, () => redisBenchmark('set', 1));
  measured('quorate', 'linearizable reads', pids, () => redisBenchmark('get', 1));
  measured('quorate', 'writes, pipeline 16', pids, () => redisBenchmark('set', 16));
  measured('quorate', 'linearizable reads, pipeline 16', pids, () => redisBenchmark('get', 16));
  const gone = new Promise((resolve) => dev.once('exit', resolve));
  dev.kill('SIGINT');
  await gone;
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

function report() {
  console.log(
    `\n${clients} clients, ${requests} requests a load, ${rounds} rounds in turn; medians (lowest to highest)`,
  );
  for (const [key, { perSecond, cpuSeconds: cpu }] of results) {
    const [low, high] = [Math.min(...perSecond), Math.max(...perSecond)].map((n) =>
      Math.round(n).toLocaleString('en'),
    );
    const middle = Math.round(median(perSecond)).toLocaleString('en');
    console.log(
      `${key.padEnd(44)} ${middle.padStart(9)}/s (${low} to ${high}), servers' CPU ${median(cpu).toFixed(1)} s`,
    );
  }
  for (const load of ['writes', 'linearizable reads']) {
    const ours = results.get(`quorate | ${load}`);
    const theirs = results.get(`etcd | ${load}`);
    if (ours && theirs) {
      console.log(
        `ratio of medians, ${load}: ${(median(ours.perSecond) / median(theirs.perSecond)).toFixed(2)} x etcd`,
      );
    }
  }
}

try {
  const etcdload = buildEtcdLoad();
  if (etcdload === null)
    console.log('etcd is left out: etcd-server, golang and golang-etcd-server-dev are needed');
  for (let round = 1; round <= rounds; round++) {
    console.log(`round ${round} of ${rounds}`);
    if (etcdload !== null) await etcdRound(etcdload, round);
    await quorateRound(round);
  }
  report();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
