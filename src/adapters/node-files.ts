/** The `Files` port over node:fs, with callbacks. `sync` is fdatasync: it makes bytes and size durable. */
import fs from 'node:fs';
import type { Done, Files, OpenFile } from '../ports/index.js';

const FLAGS = {
  read: fs.constants.O_RDONLY,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_TRUNC,
  update: fs.constants.O_RDWR | fs.constants.O_CREAT,
} as const;
const NOTHING = new Uint8Array(0);

export const nodeFiles: Files = {
  open(path, mode, done) {
    fs.open(path, FLAGS[mode], 0o644, (error, descriptor) => {
      if (error) done(error, null);
      else done(null, new NodeFile(descriptor));
    });
  },

  readAll(path, done) {
    fs.readFile(path, (error, bytes) => {
      if (error?.code === 'ENOENT') done(null, null);
      else done(error, error ? null : bytes);
    });
  },

  list(folder, done) {
    fs.readdir(folder, (error, names) => {
      if (error?.code === 'ENOENT') done(null, []);
      else if (error) done(error, []);
      else done(null, names.sort());
    });
  },

  makeFolder(folder, done) {
    fs.mkdir(folder, { recursive: true }, (error) => done(error));
  },

  rename(from, to, done) {
    fs.rename(from, to, done);
  },

  remove(path, done) {
    fs.unlink(path, (error) => done(error?.code === 'ENOENT' ? null : error));
  },

  syncFolder(folder, done) {
    fs.open(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY, (openError, descriptor) => {
      if (openError) return done(openError);
      fs.fsync(descriptor, (syncError) => {
        fs.close(descriptor, (closeError) => done(syncError ?? closeError ?? null));
      });
    });
  },

  space(path, done) {
    fs.statfs(path, (error, facts) => {
      if (error) done(error, 0, 0);
      else done(null, facts.bavail * facts.bsize, facts.blocks * facts.bsize);
    });
  },
};

class NodeFile implements OpenFile {
  constructor(private readonly descriptor: number) {}

  read(offset: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    const bytes = new Uint8Array(length);
    const more = (have: number): void => {
      fs.read(this.descriptor, bytes, have, length - have, offset + have, (error, count) => {
        if (error) return done(error, NOTHING);
        const now = have + count;
        if (count === 0 || now === length) done(null, now === length ? bytes : bytes.subarray(0, now));
        else more(now);
      });
    };
    more(0);
  }

  write(offset: number, bytes: Uint8Array, done: Done): void {
    const more = (have: number): void => {
      fs.write(this.descriptor, bytes, have, bytes.length - have, offset + have, (error, count) => {
        if (error) return done(error);
        const now = have + count;
        if (now >= bytes.length) done(null);
        else more(now); // the kernel took only a part
      });
    };
    more(0);
  }

  sync(done: Done): void {
    fs.fdatasync(this.descriptor, (error) => done(error));
  }

  size(done: (error: Error | null, bytes: number) => void): void {
    fs.fstat(this.descriptor, (error, facts) => {
      if (error) done(error, 0);
      else done(null, facts.size);
    });
  }

  close(done: Done): void {
    fs.close(this.descriptor, (error) => done(error ?? null));
  }
}
