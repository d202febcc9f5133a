/** Goal: what is ours and not Redis': failures, unserved commands, INFO, CONFIG, CLIENT LIST, COMMAND, figures. */
import { describe, expect, it } from 'vitest';
import { ERROR_REASONS, type ErrorReason, type Histogram } from '../../../../src/base/index.js';
import { FAILURE_TEXTS } from '../../../../src/api/resp/index.js';
import { multibulk, RespWorld } from './resp-world.js';

/** Told in Redis' very words. */
const REDIS_WORDS: ReadonlySet<ErrorReason> = new Set([
  'OUT_OF_MEMORY',
  'NOT_A_NUMBER',
  'OVERFLOW',
  'WRONG_TYPE',
]);

describe('failures', () => {
  it.each(Object.keys(ERROR_REASONS) as ErrorReason[])('%s is told by its row', (reason) => {
    const world = new RespWorld();
    const client = world.connect();
    for (const { shard } of world.gateway.shards()) world.gateway.failing.set(shard, { reason, message: '' });
    expect(world.ask(client, multibulk('SET', 'k', 'v'))).toBe(`-${FAILURE_TEXTS[reason]}\r\n`);
  });

  it.each(Object.keys(ERROR_REASONS) as ErrorReason[])(
    '%s promises that nothing was applied only if so',
    (reason) => {
      const text = FAILURE_TEXTS[reason];
      expect(text).toMatch(/^[A-Z]+ /);
      if (REDIS_WORDS.has(reason)) return;
      expect(text.includes('nothing was applied')).toBe(ERROR_REASONS[reason].definite);
      // Words after which clients repeat a command by themselves must be definite.
      if (/^(TRYAGAIN|CLUSTERDOWN|LOADING|MASTERDOWN|READONLY|MOVED|ASK)/.test(text)) {
        expect(ERROR_REASONS[reason].definite).toBe(true);
      }
    },
  );

  it('a detail is shown, on one line', () => {
    const world = new RespWorld();
    for (const { shard } of world.gateway.shards()) {
      world.gateway.failing.set(shard, { reason: 'UNAVAILABLE', message: 'shard 3:\r\nno quorum é' });
    }
    const reply = world.ask(world.connect(), multibulk('GET', 'k'));
    expect(Buffer.from(reply, 'latin1').toString('utf8')).toBe(
      '-CLUSTERDOWN the shard is not available; nothing was applied (shard 3:  no quorum é)\r\n',
    );
  });
});

describe('CONFIG SET', () => {
  it.each([
    ['maxmemory 1gb', 'memory.max'],
    ['MaxMemory-Policy noeviction', 'eviction.policy'],
  ])('%s says where that is set', (words, setting) => {
    const world = new RespWorld();
    expect(world.ask(world.connect(), `CONFIG SET ${words}\r\n`)).toBe(
      `-ERR CONFIG SET is not served: use "quorate config set ${setting} VALUE", for the whole cluster\r\n`,
    );
  });
});

describe('commands of Redis that are not served', () => {
  it.each([
    ['XADD s * a b', 'xadd'],
    ['subscribe c', 'subscribe'],
    ['CONFIG RESETSTAT', 'config|resetstat'],
    ['CLIENT KILL x', 'client|kill'],
    ['COMMAND HELP', 'command|help'],
  ])('%s is named as such', (command, name) => {
    const world = new RespWorld();
    expect(world.ask(world.connect(), `${command}\r\n`)).toBe(
      `-ERR command '${name}' is known to Redis but not served by Quorate yet\r\n`,
    );
  });
});

describe('about the server', () => {
  it('HELLO with a password is an error: none is checked', () => {
    const world = new RespWorld();
    expect(world.ask(world.connect(), 'HELLO 3 AUTH default x\r\nGET k\r\n')).toMatch(
      /^-ERR AUTH .*\r\n\$-1\r\n$/,
    );
  });

  it('INFO shows the front end’s rows, then the node’s', () => {
    const world = new RespWorld();
    const client = world.connect();
    const all = bulk(world.ask(client, 'INFO\r\n'));
    expect(all).toContain(
      '# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nquorate_version:0.1.0\r\n',
    );
    expect(all).toContain(
      'uptime_in_seconds:90000\r\nuptime_in_days:1\r\n\r\n# Clients\r\nconnected_clients:1\r\nmaxclients:100\r\n',
    );
    expect(all).toContain('# Replication\r\nrole:master\r\n');
    expect(bulk(world.ask(client, 'INFO raft\r\n'))).toBe('# Raft\r\nshards_led:2\r\n');
    expect(bulk(world.ask(client, 'info RAFT clients\r\n'))).toBe(
      '# Clients\r\nconnected_clients:1\r\nmaxclients:100\r\n\r\n# Raft\r\nshards_led:2\r\n',
    );
    expect(bulk(world.ask(client, 'INFO everything\r\n'))).toBe(all);
  });

  it('CONFIG GET takes several patterns, and shows a row once', () => {
    const world = new RespWorld();
    const client = world.connect();
    expect(world.ask(client, 'CONFIG GET maxmem* MAXMEMORY\r\n')).toBe(
      '*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n',
    );
    world.ask(client, 'HELLO 3\r\n');
    expect(world.ask(client, 'CONFIG GET *\r\n')).toMatch(/^%2\r\n/);
  });

  it('CLIENT LIST has a line for each connection', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.connect();
    world.ask(client, 'CLIENT SETNAME me\r\nCLIENT SETINFO LIB-NAME x\r\n');
    world.time.mono += 3_000;
    const lines = bulk(world.ask(client, 'CLIENT LIST\r\n')).trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toBe('id=1 addr=127.0.0.1:50000 name=me age=3 db=0 pending=0 omem=0 resp=2');
  });

  it('COMMAND, COMMAND COUNT, INFO, DOCS and LIST agree', () => {
    const world = new RespWorld();
    const client = world.connect();
    const count = Number(world.ask(client, 'COMMAND COUNT\r\n').slice(1));
    for (const command of ['COMMAND', 'COMMAND INFO', 'COMMAND LIST']) {
      expect(world.ask(client, `${command}\r\n`).startsWith(`*${count}\r\n`)).toBe(true);
    }
    expect(world.ask(client, 'COMMAND DOCS\r\n').startsWith(`*${count * 2}\r\n`)).toBe(true);
    expect(world.ask(client, 'COMMAND INFO GET nosuch\r\n')).toBe(
      '*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n+@read\r\n+@string\r\n+@fast\r\n' +
        '*0\r\n*0\r\n*0\r\n$-1\r\n',
    );
  });
});

describe('figures', () => {
  it('count what a known workload did, exactly', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.time.mono = 100;
    const request =
      multibulk('SET', 'a', '1') +
      multibulk('MSET', 'b', '1', 'c', '2') +
      multibulk('GET', 'a') +
      multibulk('GET', 'x') +
      multibulk('MGET', 'a', 'b', 'c', 'x', 'y') +
      multibulk('DEL', 'a', 'x') +
      multibulk('INCR', 'b') +
      'PING\r\nPING\r\nFOO\r\nGET\r\n';
    const reply = world.ask(client, request);
    expect(world.counter('bytes_in_total')).toBe(request.length);
    expect(world.counter('bytes_out_total')).toBe(reply.length);
    expect(world.counter('cache_put_total')).toBe(3);
    expect(world.counter('cache_put_success_total')).toBe(3);
    expect(world.counter('cache_get_total')).toBe(7);
    expect(world.counter('cache_get_hits_total')).toBe(4);
    expect(world.counter('cache_get_misses_total')).toBe(3);
    expect(world.counter('cache_delete_total')).toBe(2);
    const requests = (operation: string, outcome: string): number =>
      world.counter('requests_total', { operation, protocol: 'resp', outcome });
    expect([
      requests('get', 'ok'),
      requests('get', 'error'),
      requests('ping', 'ok'),
      requests('unknown', 'error'),
    ]).toEqual([2, 1, 2, 1]);

    world.gateway.failing.set(1, { reason: 'OUTCOME_UNKNOWN', message: '' });
    for (const shard of [2, 3, 4])
      world.gateway.failing.set(shard, { reason: 'OUTCOME_UNKNOWN', message: '' });
    world.ask(client, multibulk('SET', 'a', '1'));
    expect(requests('set', 'unknown')).toBe(1);
    expect(world.counter('cache_put_failures_total', { reason: 'outcome_unknown' })).toBe(1);
  });

  it('times run from reading a command to its answer', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.send(client, multibulk('GET', 'a'));
    world.time.mono += 20;
    world.settle();
    const family = world.metrics.list().find((f) => f.name === 'request_duration_seconds');
    const cell = family?.cells[0]?.cell as Histogram;
    expect([cell.count, Math.round(cell.sum * 1000)]).toEqual([1, 20]);
  });

  it('the gauge shows open connections', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.connect();
    const value = (): unknown =>
      world.metrics
        .list()
        .find((f) => f.name === 'connections')
        ?.read?.();
    expect(value()).toEqual([{ labels: { protocol: 'resp' }, value: 2 }]);
    client.closed();
    expect(value()).toEqual([{ labels: { protocol: 'resp' }, value: 1 }]);
  });
});

/** What a bulk reply holds. */
function bulk(reply: string): string {
  return reply.slice(reply.indexOf('\r\n') + 2, -2);
}
