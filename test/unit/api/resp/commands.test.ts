/**
 * Goal: what recordings can't hold of single commands: limits of our own, clocks, figures; and a table that agrees with
 * itself, with the list of refused commands and with the documentation.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CommandTable } from '../../../../src/api/resp/command-table.js';
import { isUnserved } from '../../../../src/api/resp/unserved-commands.js';
import { KvGateway } from './kv-gateway.js';
import { multibulk, RespWorld } from './resp-world.js';

const MIB = 1024 * 1024;

describe('the table', () => {
  const { rows } = new CommandTable();

  it('finds every command by its name in any case, and no other', () => {
    const table = new CommandTable();
    const find = (name: string): number => table.find(new TextEncoder().encode(name), 0, name.length);
    rows.forEach((row, index) => {
      expect([find(row.name), find(row.name.toUpperCase())]).toEqual([index, index]);
      expect(find(`${row.name}x`)).toBe(-1);
    });
    expect(new Set(rows.map((row) => row.name)).size).toBe(rows.length);
  });

  it('no served command is among the refused ones', () => {
    expect(rows.filter((row) => isUnserved(row.name))).toEqual([]);
  });

  it('a command is a read or a write if it touches keys, and says where they are', () => {
    for (const { name, flags, keys, arity } of rows) {
      const kinds = ['readonly', 'write'].filter((flag) => flags.includes(flag));
      expect([name, kinds.length <= 1]).toEqual([name, true]);
      if (keys[0] === 0) continue;
      expect([name, kinds.length]).toEqual([name, 1]);
      expect(Math.abs(arity)).toBeGreaterThan(keys[0]);
    }
  });

  it('the documentation lists exactly what is served', () => {
    const page = readFileSync(new URL('../../../../docs/redis.md', import.meta.url), 'utf8');
    const table = page.slice(page.indexOf('## Commands'), page.indexOf('## What differs'));
    const named = [...table.matchAll(/`([A-Z][A-Z0-9]*)[^`]*`/g)].map((match) => match[1]?.toLowerCase());
    expect([...new Set(named)].sort()).toEqual(rows.map((row) => row.name).sort());
  });
});

describe('TIME', () => {
  it('is the wall clock in seconds and microseconds', () => {
    const world = new RespWorld();
    world.time.mono = 5_123.75; // beside 1,700,000,000,000 ms
    expect(world.ask(world.connect(), 'TIME\r\n')).toBe('*2\r\n$10\r\n1700000005\r\n$6\r\n123750\r\n');
    world.time.mono = 6_000;
    expect(world.ask(world.connect(), 'TIME\r\n')).toBe('*2\r\n$10\r\n1700000006\r\n$1\r\n0\r\n');
  });
});

describe('values that grow', () => {
  const TOO_LONG = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n';

  it('SETRANGE reaches to the value limit and not beyond, whatever is there', () => {
    const world = new RespWorld({ valueBytesMax: 100 });
    const client = world.connect();
    expect(world.ask(client, multibulk('SETRANGE', 'k', '99', 'x'))).toBe(':100\r\n');
    expect(world.ask(client, multibulk('SETRANGE', 'k', '100', 'x'))).toBe(TOO_LONG);
    expect(world.ask(client, multibulk('SETRANGE', 'k', '99', 'xy'))).toBe(TOO_LONG);
    expect(world.ask(client, multibulk('STRLEN', 'k'))).toBe(':100\r\n');
  });

  it('APPEND stops where the state machine does, and leaves the value as it was', () => {
    const world = new RespWorld({}, new KvGateway(1));
    const client = world.connect();
    world.ask(client, multibulk('SET', 'k', 'x'.repeat(5 * MIB)));
    expect(world.ask(client, multibulk('APPEND', 'k', 'x'.repeat(3 * MIB)))).toBe(`:${8 * MIB}\r\n`);
    expect(world.ask(client, multibulk('APPEND', 'k', 'x'))).toBe(TOO_LONG);
    expect(world.ask(client, multibulk('STRLEN', 'k'))).toBe(`:${8 * MIB}\r\n`);
  });

  it('every command with a value refuses one above the limit, and keys above theirs', () => {
    const world = new RespWorld({ valueBytesMax: 10 });
    const client = world.connect();
    const [value, key] = ['v'.repeat(11), 'k'.repeat(65_536)];
    for (const command of [
      ['SETNX', 'k', value],
      ['SETEX', 'k', '10', value],
      ['PSETEX', 'k', '10', value],
      ['GETSET', 'k', value],
      ['APPEND', 'k', value],
      ['SETRANGE', 'k', '0', value],
    ]) {
      expect(world.ask(client, multibulk(...command))).toBe('-ERR value is longer than 10 bytes\r\n');
    }
    for (const command of [
      ['SETNX', key, 'v'],
      ['SETEX', key, '10', 'v'],
      ['GETSET', key, 'v'],
      ['GETDEL', key],
      ['GETEX', key],
      ['GETEX', key, 'PERSIST'],
      ['APPEND', key, 'v'],
      ['STRLEN', key],
      ['GETRANGE', key, '0', '1'],
      ['SETRANGE', key, '0', 'v'],
      ['UNLINK', 'a', key],
      ['TOUCH', key],
      ['EXPIREAT', key, '1'],
      ['EXPIRETIME', key],
    ]) {
      expect(world.ask(client, multibulk(...command))).toBe('-ERR key is longer than 65535 bytes\r\n');
    }
    expect(world.gateway.submitted).toBe(0);
  });
});

describe('GETEX', () => {
  it('is a read without an option, and a write with one', () => {
    const world = new RespWorld({}, new KvGateway(1));
    const client = world.connect();
    world.ask(client, multibulk('SET', 'k', 'v'));
    const hash = world.gateway.stateHash(1);
    world.ask(client, multibulk('GETEX', 'k'));
    expect(world.gateway.stateHash(1)).toBe(hash);
    world.ask(client, multibulk('GETEX', 'k', 'EX', '100'));
    expect(world.gateway.stateHash(1)).not.toBe(hash);
    expect(world.ask(client, multibulk('TTL', 'k'))).toBe(':100\r\n');
  });
});

describe('figures of the newer commands', () => {
  it('reads that write count as reads, deletes as deletes, and sets as sets', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.ask(
      client,
      multibulk('SETNX', 'a', '1') +
        multibulk('SETNX', 'a', '2') +
        multibulk('SETEX', 'b', '10', '1') +
        multibulk('GETSET', 'c', '1') +
        multibulk('GETEX', 'a', 'PERSIST') +
        multibulk('GETDEL', 'a') +
        multibulk('GETDEL', 'a') +
        multibulk('UNLINK', 'a', 'b', 'c') +
        multibulk('KEYS', '*') +
        multibulk('SCAN', 'x'),
    );
    expect(world.counter('cache_put_total')).toBe(4);
    expect(world.counter('cache_get_total')).toBe(3);
    expect(world.counter('cache_get_hits_total')).toBe(2);
    expect(world.counter('cache_get_misses_total')).toBe(1);
    expect(world.counter('cache_delete_total')).toBe(3);
    const requests = (operation: string, outcome: string): number =>
      world.counter('requests_total', { operation, protocol: 'resp', outcome });
    expect([requests('keys', 'ok'), requests('scan', 'error')]).toEqual([1, 1]);
  });
});
