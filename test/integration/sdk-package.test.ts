/**
 * The package as its users get it: the files that `npm pack` would take, below another folder's node_modules.
 * `import`, `require` and the types of `quorate/client` work there.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Nobody listens on port 1. */
const USE = `
  try {
    await connect({ endpoints: ['127.0.0.1:1'], deadline: '300ms' });
  } catch (error) {
    console.log(error instanceof QuorateError, error.code, error.message.includes('127.0.0.1:1'));
  }
`;

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-user-'));
  const inside = path.join(folder, 'node_modules', 'quorate');
  mkdirSync(inside, { recursive: true });
  const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] };
  for (const file of [...files, 'package.json']) {
    cpSync(file, path.join(inside, file), { recursive: true });
  }
  symlinkSync(path.resolve('node_modules/@grpc'), path.join(folder, 'node_modules', '@grpc'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(file: string, text: string): { out: string; err: string; code: number | null } {
  writeFileSync(path.join(folder, file), text);
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { out: stdout, err: stderr, code: status };
}

function typeErrors(file: string, text: string): string[] {
  const whole = path.join(folder, file);
  writeFileSync(whole, text);
  const program = ts.createProgram([whole], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    noEmit: true,
    types: [],
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

describe('quorate/client', () => {
  it('is imported, and a failed connect leaves nothing that keeps the process up', () => {
    const text = `import { connect, QuorateError } from 'quorate/client';\n${USE}`;
    expect(run('esm.mjs', text)).toEqual({ out: 'true UNAVAILABLE true\n', err: '', code: 0 });
  });

  it('is required', () => {
    const text = `const { connect, QuorateError } = require('quorate/client');\n(async () => {${USE}})();`;
    const { out, code } = run('cjs.cjs', text);
    expect([out, code]).toEqual(['true UNAVAILABLE true\n', 0]);
  });

  it('is the only way in', () => {
    const text = `import { connect } from 'quorate/dist/src/sdk.js'; connect();`;
    expect(run('wrong.mjs', text).err).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('has types', () => {
    const good = `
      import { connect, type CacheClient, type QuorateError } from 'quorate/client';
      const cache: CacheClient = await connect({ endpoints: ['a:1'], deadline: '2s' });
      const bytes: Uint8Array | null = await cache.get('k');
      const text: string | null = await cache.get('k', { as: 'string', consistency: 'stale' });
      const user: { name: string } | null = await cache.get<{ name: string }>('k', { as: 'json' });
      const { version }: { version: number } = await cache.set('k', { a: 1 }, { ttl: '30s' });
      const sum: number | bigint = await cache.increment('n', 2n);
      const many: (string | null)[] = await cache.getMany(['a', 'b'], { as: 'string' });
      export const all = [bytes, text, user, version, sum, many];
      export const codeOf = (error: QuorateError): string => error.code;
    `;
    expect(typeErrors('good.mts', good)).toEqual([]);
    const bad = `
      import { connect } from 'quorate/client';
      const cache = await connect({ endpoints: ['a:1'] });
      await cache.set('k', 'v', { ttl: '30 parsecs' });
      await cache.get(5);
    `;
    expect(typeErrors('bad.mts', bad)).toHaveLength(2);
  });
});
