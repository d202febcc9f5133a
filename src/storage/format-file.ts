/**
 * The FORMAT file of a data folder: one line, `quorate format 1`. Read before anything else is opened, so that an
 * older program never touches what a newer one wrote; created under another name and renamed, so that it is there
 * whole or not at all.
 */
import { encodeUtf8, decodeUtf8 } from '../base/index.js';
import type { Done, Files } from '../ports/index.js';
import { StorageError } from './errors.js';
import { writeWhole } from './whole-file.js';

export const FORMAT_NUMBER = 1;
const FORMAT_LINE = /^quorate format (\d{1,9})\n?$/;

export function formatPath(folder: string): string {
  return `${folder}/FORMAT`;
}

/** `present` false: a folder without a FORMAT file (new, or its birth was cut short). */
export function checkFormat(
  files: Files,
  folder: string,
  done: (error: Error | null, present: boolean) => void,
): void {
  files.readAll(formatPath(folder), (error, bytes) => {
    if (error) return done(error, false);
    if (bytes === null) return done(null, false);
    const match = FORMAT_LINE.exec(decodeUtf8(bytes));
    if (!match) {
      const what = `${formatPath(folder)} is not a format file of quorate: is this a data folder?`;
      return done(new StorageError('UNKNOWN_FORMAT', what), false);
    }
    const found = Number(match[1]);
    if (found > FORMAT_NUMBER) {
      const what = `${folder} has format ${found}, this program knows format ${FORMAT_NUMBER}: use a newer version`;
      return done(new StorageError('NEWER_FORMAT', what), false);
    }
    done(null, true);
  });
}

export function writeFormat(files: Files, folder: string, done: Done): void {
  writeWhole(files, folder, 'FORMAT', encodeUtf8(`quorate format ${FORMAT_NUMBER}\n`), done);
}
