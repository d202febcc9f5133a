/** The FORMAT file: what is refused by name before anything is touched, and how its cluster version rises. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { decodeUtf8, encodeUtf8, type VersionRange } from '../../../src/base/index.js';
import { raiseFormat } from '../../../src/storage/index.js';
import { checkFormat, writeFormat } from '../../../src/storage/format-file.js';
import { FOLDER, StorageWorld } from './harness.js';

const golden = JSON.parse(
  readFileSync(new URL('../../golden/folder-v1.json', import.meta.url), 'utf8'),
) as Record<string, string>;

const BOTH: VersionRange = { min: 1, max: 2 };

class Folder {
  readonly world = new StorageWorld();
  private readonly files = this.world.disk.files(this.world.owner);

  constructor() {
    this.world.do((done) => this.files.makeFolder(FOLDER, done));
    this.world.do((done) => this.files.syncFolder('/', done));
  }

  write(text: string): void {
    this.world.do((done) =>
      this.files.open(`${FOLDER}/FORMAT`, 'create', (error, file) => {
        if (error || !file) return done(error);
        file.write(0, encodeUtf8(text), done);
      }),
    );
  }

  read(): string {
    return decodeUtf8(
      this.world.wait<Uint8Array | null>((done) =>
        this.files.readAll(`${FOLDER}/FORMAT`, done),
      ) as Uint8Array,
    );
  }

  /** The refusal's code and words; '' for a folder that is ours. */
  check(known = BOTH): string {
    let said = 'no answer';
    checkFormat(this.files, FOLDER, known, (error) => {
      said = error === null ? '' : `${String((error as { code?: unknown } & Error).code)}: ${error.message}`;
    });
    this.world.settle();
    return said;
  }

  born(version: number): void {
    this.world.do((done) => writeFormat(this.files, FOLDER, version, done));
  }

  raise(version: number): void {
    this.world.do((done) => raiseFormat(this.files, FOLDER, version, done));
  }
}

it('is written and read as pinned', () => {
  const folder = new Folder();
  folder.born(2);
  expect(folder.read()).toBe(golden['FORMAT']);
  folder.write(golden['FORMAT'] ?? '');
  expect(folder.check()).toBe('');
});

it('E125 a folder of a cluster version that the build does not know is refused by name, with what to do', () => {
  const folder = new Folder();
  folder.born(3);
  expect(folder.check()).toMatch(
    /^UNSUPPORTED_VERSION: .*of cluster version 3, and this build knows 1 to 2: start a newer/,
  );
  expect(folder.check({ min: 4, max: 5 })).toMatch(
    /^UNSUPPORTED_VERSION: .* upgrade through a build that knows both/,
  );
  expect(folder.check({ min: 3, max: 3 })).toBe('');
});

it('a folder of before format 1 was declared is refused by name', () => {
  const folder = new Folder();
  for (const text of ['quorate format 1\n', 'quorate format 1', 'quorate format 0\ncluster version 1\n']) {
    folder.write(text);
    expect(folder.check()).toMatch(
      /^OLD_FORMAT: .* before format 1 was declared.*start with an empty data folder/,
    );
  }
});

it('a folder of a later format is refused by name, whatever else its file says', () => {
  const folder = new Folder();
  for (const text of ['quorate format 2\n', 'quorate format 77\nsomething\nnew']) {
    folder.write(text);
    expect(folder.check()).toMatch(/^NEWER_FORMAT: .*format 1: use a newer version/);
  }
  folder.write('quorate format\n');
  expect(folder.check()).toMatch(/^UNKNOWN_FORMAT/);
});

it('its cluster version rises and never goes back', () => {
  const folder = new Folder();
  folder.born(1);
  folder.raise(2);
  expect(folder.read()).toBe(golden['FORMAT']);
  folder.raise(1);
  expect(folder.read()).toBe(golden['FORMAT']);
});

it('E125 a power loss at any step of a rise leaves the file whole, with the version before or after', () => {
  for (let steps = 0; steps < 12; steps++) {
    const folder = new Folder();
    folder.born(1);
    folder.world.settle();
    let isDone = false;
    raiseFormat(folder.world.disk.files(folder.world.owner), FOLDER, 2, () => (isDone = true));
    for (let i = 0; i < steps; i++) folder.world.loop.step();
    folder.world.endLife('power');
    const text = decodeUtf8(
      folder.world.wait<Uint8Array | null>((done) =>
        folder.world.disk.files(folder.world.owner).readAll(`${FOLDER}/FORMAT`, done),
      ) as Uint8Array,
    );
    expect(['1', '2'].map((v) => `quorate format 1\ncluster version ${v}\n`)).toContain(text);
    if (isDone) expect(text).toBe(golden['FORMAT']);
  }
});
