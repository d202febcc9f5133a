/** Settings: which source wins, what is stored, and what errors say. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import {
  dataFolderOf,
  environmentVariableOf,
  flagOf,
  loadSettings,
  nodeSettingsSchema,
  SETTING_NAMES,
} from '../../../src/settings/index.js';
import type { LoadedSettings, SettingName, SettingsSources } from '../../../src/settings/index.js';

function sources(given: {
  flags?: Partial<Record<SettingName, string>>;
  environment?: Record<string, string>;
  yaml?: string;
  stored?: string;
}): SettingsSources {
  return {
    flags: new Map(Object.entries(given.flags ?? {}) as [SettingName, string][]),
    environment: given.environment ?? {},
    file: given.yaml === undefined ? null : { name: 'quorate.yaml', text: given.yaml },
    stored: given.stored === undefined ? null : { name: 'data/settings.json', text: given.stored },
  };
}

function load(given: Parameters<typeof sources>[0]): LoadedSettings {
  const result = loadSettings(sources(given));
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result.loaded;
}

function problems(given: Parameters<typeof sources>[0]): string {
  const result = loadSettings(sources(given));
  return result.ok ? '' : result.problems.join('\n');
}

const STORED = JSON.stringify({ format: 1, settings: { shards: 2, 'raft.tickMs': 20 } });

describe('the table of names', () => {
  it('lists exactly the leaves of the schema', () => {
    const leaves: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) leaves.push(path);
      else
        for (const [key, inner] of Object.entries(value)) visit(inner, path === '' ? key : `${path}.${key}`);
    };
    visit(nodeSettingsSchema.parse({}), '');
    expect([...SETTING_NAMES].sort()).toEqual(leaves.sort());
  });

  it('gives every setting a flag and a variable of its own', () => {
    expect(new Set(SETTING_NAMES.map(flagOf)).size).toBe(SETTING_NAMES.length);
    expect(new Set(SETTING_NAMES.map(environmentVariableOf)).size).toBe(SETTING_NAMES.length);
    expect(flagOf('raft.tickMs')).toBe('raft-tick-ms');
    expect(environmentVariableOf('limits.valueBytesMax')).toBe('QUORATE_LIMITS_VALUE_BYTES_MAX');
  });
});

describe('precedence', () => {
  const flags = { shards: '5' } as const;
  const environment = { QUORATE_SHARDS: '4' };
  const yaml = 'shards: 3\n';
  it('flags beat the environment, that the file, that the stored, those the defaults', () => {
    expect(load({ flags, environment, yaml, stored: STORED }).settings.shards).toBe(5);
    expect(load({ environment, yaml, stored: STORED }).settings.shards).toBe(4);
    expect(load({ yaml, stored: STORED }).settings.shards).toBe(3);
    expect(load({ stored: STORED }).settings.shards).toBe(2);
    expect(load({}).settings.shards).toBe(16);
  });

  it('tells where each value came from', () => {
    const { origins } = load({
      flags: { grpc: '127.0.0.1:1000' },
      environment,
      yaml: 'http: 127.0.0.1:9\n',
      stored: STORED,
    });
    expect(origins.get('grpc')).toBe('flag');
    expect(origins.get('shards')).toBe('environment');
    expect(origins.get('http')).toBe('file');
    expect(origins.get('raft.tickMs')).toBe('stored');
    expect(origins.get('peer')).toBe('derived');
    expect(origins.get('log.sync')).toBe('default');
  });

  it('finds the data directory without what it stores', () => {
    expect(dataFolderOf(sources({ environment: { QUORATE_DATA: 'a' }, yaml: 'data: b' }))).toBe('a');
    expect(dataFolderOf(sources({}))).toBe('./data');
  });
});

describe('storing', () => {
  it('stores what came by flag, keeps what was stored, and leaves files and environment alone', () => {
    const { toStore } = load({
      flags: { data: 'd', 'log.sync': 'false' },
      environment: { QUORATE_SHARDS: '4' },
      yaml: 'logLevel: warn',
      stored: STORED,
    });
    expect(JSON.parse(toStore)).toEqual({
      format: 1,
      settings: { shards: 2, 'raft.tickMs': 20, 'log.sync': false },
    });
  });

  it('stores and reads the bytes that are pinned', () => {
    const golden = JSON.parse(
      readFileSync(new URL('../../golden/folder-v1.json', import.meta.url), 'utf8'),
    ) as Record<string, string>;
    const flags = { shards: '2', 'raft.tickMs': '20', resp: '127.0.0.1:7379' } as const;
    const pinned = golden['settings.json'] ?? '';
    expect(load({ flags }).toStore).toBe(pinned);
    expect(load({ stored: pinned }).settings).toEqual(load({ flags }).settings);
  });

  it('reads back what it stored', () => {
    const first = load({ flags: { grpc: '127.0.0.1:8000', join: '127.0.0.1:7600,127.0.0.1:7601' } });
    const again = load({ stored: first.toStore });
    expect(again.settings).toEqual(first.settings);
  });

  it('refuses a newer format and a damaged file by name', () => {
    expect(problems({ stored: '{"format":9,"settings":{}}' })).toMatch(
      /data\/settings\.json: format 9 .*newer/,
    );
    expect(problems({ stored: '{' })).toMatch(/data\/settings\.json: damaged/);
  });
});

describe('addresses', () => {
  it('follow from the gRPC port', () => {
    const { settings } = load({ flags: { grpc: '127.0.0.1:7602' } });
    expect(settings).toMatchObject({
      peer: '127.0.0.1:7652',
      resp: [{ address: '127.0.0.1:7381', routing: 'forward', advertise: '' }],
      http: '127.0.0.1:7702',
    });
  });

  it('stay free ports when the gRPC port is 0, and keep the host', () => {
    const { settings } = load({ flags: { grpc: '[::1]:0', http: '[::1]:81' } });
    expect(settings).toMatchObject({ peer: '[::1]:0', resp: [{ address: '[::1]:0' }], http: '[::1]:81' });
  });

  it('ask for a flag where no port follows', () => {
    expect(problems({ flags: { grpc: '127.0.0.1:100' } })).toMatch(/resp: no port follows .*--resp/);
  });

  it('beyond this machine need --insecure, and 0.0.0.0 an advertised host', () => {
    const flags = { grpc: '0.0.0.0:7600' };
    expect(problems({ flags })).toMatch(/grpc: 0\.0\.0\.0:7600 .*--insecure/);
    expect(problems({ flags: { ...flags, insecure: 'true' } })).toMatch(/--advertise-host/);
    expect(problems({ flags: { ...flags, insecure: 'true', advertiseHost: '0.0.0.0' } })).toMatch(
      /advertiseHost/,
    );
    expect(problems({ flags: { ...flags, insecure: 'true', advertiseHost: 'a:1' } })).toMatch(
      /without a port/,
    );
    expect(load({ flags: { ...flags, insecure: 'true', advertiseHost: 'a.example' } }).settings.grpc).toBe(
      '0.0.0.0:7600',
    );
    expect(problems({ flags: { grpc: '[::]:7600', insecure: 'true' } })).toMatch(/--advertise-host/);
  });
});

describe('RESP listeners', () => {
  const PLAIN = { address: '127.0.0.1:1', routing: 'forward', advertise: '' };
  const MOVED = { address: '[::1]:2', routing: 'moved', advertise: 'cache.example:7002' };
  const TEXTS = ['127.0.0.1:1', '[::1]:2,routing=moved,advertise=cache.example:7002'];

  it('are one that forwards unless others are given', () => {
    expect(load({}).settings.resp).toEqual([{ ...PLAIN, address: '127.0.0.1:7379' }]);
  });

  it('come from flag, environment and file alike', () => {
    const wanted = [PLAIN, MOVED];
    expect(load({ flags: { resp: TEXTS.join(' ') } }).settings.resp).toEqual(wanted);
    expect(load({ environment: { QUORATE_RESP: ` ${TEXTS.join('  ')} ` } }).settings.resp).toEqual(wanted);
    expect(load({ yaml: `resp:\n  - ${TEXTS[0]}\n  - "${TEXTS[1]}"\n` }).settings.resp).toEqual(wanted);
    const asObject = `{ address: "[::1]:2", routing: moved, advertise: "cache.example:7002" }`;
    expect(load({ yaml: `resp: [127.0.0.1:1, ${asObject}]\n` }).settings.resp).toEqual(wanted);
    expect(load({ yaml: `resp: ${asObject}\n` }).settings.resp).toEqual([MOVED]);
    expect(load({ yaml: 'resp: 127.0.0.1:1\n' }).settings.resp).toEqual([PLAIN]);
  });

  it('are stored and read back; the one address that earlier versions stored still loads', () => {
    const first = load({ flags: { resp: TEXTS.join(' ') } });
    expect(load({ stored: first.toStore }).settings.resp).toEqual([PLAIN, MOVED]);
    const before = JSON.stringify({ format: 1, settings: { resp: '127.0.0.1:1' } });
    expect(load({ stored: before }).settings.resp).toEqual([PLAIN]);
    expect(load({ stored: load({ stored: before }).toStore }).settings.resp).toEqual([PLAIN]);
  });

  it.each([
    ['127.0.0.1:1,routing=direct', 'expected routing=forward or routing=moved, not "direct"'],
    ['127.0.0.1:1,routes=moved', '"routes=moved" is neither routing=… nor advertise=…'],
    ['127.0.0.1:1,moved', '"moved" is neither routing=… nor advertise=…'],
    ['127.0.0.1:1,routing=moved,routing=moved', 'expected routing once'],
    ['127.0.0.1:1,advertise=nowhere', 'advertise: expected HOST:PORT'],
    ['127.0.0.1:1,advertise=a:0', 'advertise: expected a port from 1'],
    ['127.0.0.1:70000', 'expected a port from 0 to 65535'],
    ['7379', 'expected HOST:PORT'],
    [' ', 'expected HOST:PORT[,routing=forward|moved][,advertise=HOST:PORT]'],
    ['127.0.0.1:1 127.0.0.1:1,routing=moved', '127.0.0.1:1 is given to resp already'],
    ['127.0.0.1:7600', '127.0.0.1:7600 is given to grpc already'],
    ['127.0.0.1:1,advertise=0.0.0.0:1', 'a host in advertise= that others can reach'],
    [Array.from({ length: 17 }, (_, i) => `127.0.0.1:${i + 1}`).join(' '), 'at most 16 listeners'],
  ])('given as %s are refused with what is accepted', (text, problem) => {
    expect(problems({ flags: { resp: text } })).toMatch(/^resp\b/);
    expect(problems({ flags: { resp: text } })).toContain(problem);
  });

  it('are refused by the name of the flag, and in a file with unknown parts', () => {
    expect(problems({ flags: { resp: 'x' } })).toMatch(/^resp \(--resp\): .*got \["x"\]$/);
    expect(problems({ yaml: 'resp: [{ address: "a:1", mode: moved }]\n' })).toMatch(
      /^resp \(quorate\.yaml\): expected address, routing and advertise, not "mode"/,
    );
    expect(problems({ yaml: 'resp: []\n' })).toMatch(/^resp \(quorate\.yaml\): expected HOST:PORT/);
  });

  it('beyond this machine need --insecure; with an address of their own no advertised host', () => {
    const resp = '0.0.0.0:1,advertise=a.example:1';
    expect(problems({ flags: { resp } })).toMatch(/resp: 0\.0\.0\.0:1 .*--insecure/);
    expect(load({ flags: { resp, insecure: 'true' } }).settings.resp[0]?.advertise).toBe('a.example:1');
    expect(problems({ flags: { resp: '0.0.0.0:1', insecure: 'true' } })).toMatch(/--advertise-host/);
  });
});

describe('errors', () => {
  it('name the setting, how it was given, what is accepted and what was got', () => {
    expect(problems({ flags: { logLevel: 'loud' } })).toBe(
      'logLevel (--log-level): expected one of "debug"|"info"|"warn"|"error", got "loud"',
    );
    expect(problems({ environment: { QUORATE_RAFT_TICK_MS: 'soon' } })).toBe(
      'raft.tickMs (QUORATE_RAFT_TICK_MS): expected a whole number, got "soon"',
    );
    expect(problems({ yaml: 'raft:\n  tickMs: 1\n' })).toMatch(
      /^raft\.tickMs \(quorate\.yaml\): .*>=5, got 1$/,
    );
    expect(problems({ flags: { grpc: 'nowhere' } })).toMatch(/^grpc \(--grpc\): expected HOST:PORT/);
    expect(problems({ flags: { join: '127.0.0.1:1,x' } })).toMatch(/^join \(--join\): expected HOST:PORT/);
  });

  it('name unknown settings of the file, with the nearest', () => {
    expect(problems({ yaml: 'raft:\n  tickms: 10\n' })).toMatch(
      /unknown setting raft\.tickms; did you mean raft\.tickMs\?/,
    );
    expect(problems({ yaml: 'colour: red\n' })).toMatch(/unknown setting colour; settings are data, grpc/);
    expect(problems({ yaml: '- 1\n' })).toMatch(/expected settings as/);
    expect(problems({ yaml: 'a: [' })).toMatch(/not YAML/);
  });

  it('tell settings that contradict each other', () => {
    expect(problems({ flags: { single: 'true', join: '127.0.0.1:1' } })).toMatch(/either --single or --join/);
    expect(problems({ flags: { 'raft.heartbeatTicks': '6' } })).toMatch(/less than raft\.electionTicks/);
  });

  it('warn of variables that are no settings', () => {
    expect(load({ environment: { QUORATE_SERVICE_HOST: 'x', QUORATE_CONFIG: 'y' } }).warnings).toEqual([
      'the environment variable QUORATE_SERVICE_HOST is no setting and is ignored',
    ]);
  });
});

describe('values', () => {
  it('take sizes in KiB, MiB and GiB where bytes are meant, and nowhere else', () => {
    expect(load({ flags: { 'log.checkpointBytes': '2MiB' } }).settings.log.checkpointBytes).toBe(
      2 * 1024 * 1024,
    );
    expect(problems({ flags: { shards: '2KiB' } })).toMatch(/a whole number/);
  });

  it('take an empty file', () => {
    expect(load({ yaml: '# nothing\n' }).settings.grpc).toBe('127.0.0.1:7600');
  });
});

describe('memory.max', () => {
  const EXPECTED = 'expected auto, 0 (no limit), or a size of at least 1mb such as 512mb or 2gb';

  it.each(['1048575', '1023kb', '-1', '1.5gb', '3zb', 'much', ''])(
    'as %j is refused wherever it comes from, and it is said what is accepted',
    (text) => {
      expect(problems({ flags: { 'memory.max': text } })).toContain(EXPECTED);
      expect(problems({ environment: { QUORATE_MEMORY_MAX: text } })).toContain(EXPECTED);
      expect(problems({ yaml: `memory:\n  max: ${JSON.stringify(text)}\n` })).toContain(EXPECTED);
    },
  );

  it.each([
    ['1mb', 1024 ** 2],
    ['1048576', 1024 ** 2],
    ['0', 0],
    ['auto', 'auto'],
  ])('as %s is taken', (text, max) => {
    expect(load({ flags: { 'memory.max': text } }).settings.memory.max).toBe(max);
    expect(load({ environment: { QUORATE_MEMORY_MAX: text } }).settings.memory.max).toBe(max);
  });
});
