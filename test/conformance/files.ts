/** What every file system port must do: run on the simulated one and on the real one. */
import { expect, it } from 'vitest';
import type { Files, OpenFile } from '../../src/ports/index.js';

export interface FilesHost {
  readonly files: Files;
  /** A folder that exists and is empty. */
  readonly folder: string;
  readonly wait: <T>(outcome: Promise<T>) => Promise<T>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | null): string | null =>
  value === null ? null : new TextDecoder().decode(value);

export function filesSuite(makeHost: () => Promise<FilesHost>): void {
  /** Calls a method that answers (error, value), and checks that it never answers from inside the call. */
  function call<T>(host: FilesHost, start: (done: (error: Error | null, value: T) => void) => void) {
    return host.wait(
      new Promise<T>((resolve, reject) => {
        let returned = false;
        start((error, value) => {
          expect(returned).toBe(true);
          if (error) reject(error);
          else resolve(value);
        });
        returned = true;
      }),
    );
  }
  const run = (host: FilesHost, start: (done: (error: Error | null) => void) => void): Promise<void> =>
    call<void>(host, (done) => start((error) => done(error, undefined)));
  const openFile = async (host: FilesHost, path: string, mode: 'read' | 'create' | 'update') =>
    (await call<OpenFile | null>(host, (done) => host.files.open(path, mode, done))) as OpenFile;
  const readAll = (host: FilesHost, path: string) =>
    call<Uint8Array | null>(host, (done) => host.files.readAll(path, done));
  const writeAll = async (host: FilesHost, path: string, content: string): Promise<void> => {
    const file = await openFile(host, path, 'create');
    await run(host, (done) => file.write(0, bytes(content), done));
    await run(host, (done) => file.sync(done));
    await run(host, (done) => file.close(done));
  };

  it('writes and reads at offsets, and tells the size', async () => {
    const host = await makeHost();
    const file = await openFile(host, `${host.folder}/a`, 'create');
    await run(host, (done) => file.write(0, bytes('hello world'), done));
    await run(host, (done) => file.write(6, bytes('there, you'), done));
    expect(await call<number>(host, (done) => file.size(done))).toBe(16);
    const read = async (offset: number, length: number) =>
      text(await call<Uint8Array>(host, (done) => file.read(offset, length, done)));
    expect(await read(0, 16)).toBe('hello there, you');
    expect(await read(6, 5)).toBe('there');
    expect(await read(12, 100)).toBe(' you');
    expect(await read(99, 5)).toBe('');
    await run(host, (done) => file.write(20, bytes('!'), done)); // the hole reads as zeros
    expect(await read(15, 6)).toBe('u\0\0\0\0!');
    await run(host, (done) => file.sync(done));
    await run(host, (done) => file.close(done));
  });

  it('opens by mode: read must exist, create empties, update keeps', async () => {
    const host = await makeHost();
    const path = `${host.folder}/a`;
    await expect(openFile(host, path, 'read')).rejects.toMatchObject({ code: 'ENOENT' });
    await writeAll(host, path, 'first');
    const kept = await openFile(host, path, 'update');
    await run(host, (done) => kept.write(0, bytes('F'), done));
    await run(host, (done) => kept.close(done));
    expect(text(await readAll(host, path))).toBe('First');
    await writeAll(host, path, 'x');
    expect(text(await readAll(host, path))).toBe('x');
    await run(host, (done) => host.files.remove(path, done));
    const made = await openFile(host, path, 'update');
    expect(await call<number>(host, (done) => made.size(done))).toBe(0);
    await run(host, (done) => made.close(done));
  });

  it('needs the folder of a file, and makes folders with their parents', async () => {
    const host = await makeHost();
    const deep = `${host.folder}/x/y`;
    await expect(openFile(host, `${deep}/a`, 'create')).rejects.toMatchObject({ code: 'ENOENT' });
    await run(host, (done) => host.files.makeFolder(deep, done));
    await run(host, (done) => host.files.makeFolder(deep, done));
    await writeAll(host, `${deep}/b`, '2');
    await writeAll(host, `${deep}/a`, '1');
    expect(await call<string[]>(host, (done) => host.files.list(deep, done))).toEqual(['a', 'b']);
    expect(await call<string[]>(host, (done) => host.files.list(`${host.folder}/none`, done))).toEqual([]);
    await run(host, (done) => host.files.syncFolder(deep, done));
  });

  it('renames over what is there, and what was open stays readable', async () => {
    const host = await makeHost();
    const [from, to] = [`${host.folder}/from`, `${host.folder}/to`];
    await writeAll(host, to, 'old');
    await writeAll(host, from, 'new');
    const old = await openFile(host, to, 'read');
    await run(host, (done) => host.files.rename(from, to, done));
    expect(text(await readAll(host, to))).toBe('new');
    expect(await readAll(host, from)).toBeNull();
    expect(text(await call<Uint8Array>(host, (done) => old.read(0, 10, done)))).toBe('old');
    await run(host, (done) => old.close(done));
    await expect(run(host, (done) => host.files.rename(from, to, done))).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  it('removes, also what is not there', async () => {
    const host = await makeHost();
    const path = `${host.folder}/a`;
    await writeAll(host, path, 'x');
    await run(host, (done) => host.files.remove(path, done));
    await run(host, (done) => host.files.remove(path, done));
    expect(await readAll(host, path)).toBeNull();
  });

  it('writes and reads a large file in one call each', async () => {
    const host = await makeHost();
    const large = new Uint8Array(3 * 1024 * 1024).map((_, i) => (i * 31) >> 3);
    const file = await openFile(host, `${host.folder}/large`, 'create');
    await run(host, (done) => file.write(0, large, done));
    const read = await call<Uint8Array>(host, (done) => file.read(0, large.length, done));
    expect(Buffer.compare(read, large)).toBe(0);
    await run(host, (done) => file.close(done));
  });

  it('tells free and total space', async () => {
    const host = await makeHost();
    const [free, total] = await host.wait(
      new Promise<[number, number]>((resolve, reject) =>
        host.files.space(host.folder, (error, freeBytes, totalBytes) =>
          error ? reject(error) : resolve([freeBytes, totalBytes]),
        ),
      ),
    );
    expect(free).toBeGreaterThan(0);
    expect(total).toBeGreaterThanOrEqual(free);
  });
}
