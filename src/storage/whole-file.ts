/**
 * A small file that is on disk whole or not at all: temporary name, fsync, rename, fsync of the folder.
 * And the little sequencer that such chains of callbacks are written with.
 */
import type { Done, Files, OpenFile } from '../ports/index.js';

export type Step = (next: Done) => void;

/** Runs steps one after another; the first error ends the chain. */
export function runSteps(steps: readonly Step[], done: Done): void {
  let at = 0;
  const next: Done = (error) => {
    if (error) return done(error);
    const step = steps[at++];
    if (step) step(next);
    else done(null);
  };
  next(null);
}

/** Closes the file, then passes on the first of the two errors. */
export function closeAfter(file: OpenFile, error: Error | null, done: Done): void {
  file.close((closeError) => done(error ?? closeError));
}

export function writeWhole(files: Files, folder: string, name: string, bytes: Uint8Array, done: Done): void {
  const temporary = `${folder}/${name}.tmp`;
  files.open(temporary, 'create', (error, file) => {
    if (error || !file) return done(error);
    runSteps([(next) => file.write(0, bytes, next), (next) => file.sync(next)], (writeError) =>
      closeAfter(file, writeError, (failure) => {
        if (failure) return done(failure);
        runSteps(
          [
            (next) => files.rename(temporary, `${folder}/${name}`, next),
            (next) => files.syncFolder(folder, next),
          ],
          done,
        );
      }),
    );
  });
}
