/**
 * The FORMAT file of a data folder, read before anything else is opened, so that a program never touches what it does not
 * know; created under another name and renamed, so that it is there whole or not at all.
 *
 *   quorate format 1
 *   cluster version 2
 *
 * The first line is the layout of the folder; whatever the number, it is the first line, so that every build can refuse
 * another by name. The second is the lowest version at which all that stands in the folder may be read: that of its
 * cluster (docs/decisions/0015-cluster-version.md). It is written after the version was raised, so it may be too low after
 * a crash: the log itself stops an older build then. Folders of builds before format 1 was declared lack it.
 */
import {
  decodeUtf8,
  encodeUtf8,
  knowsVersion,
  UnknownVersionError,
  type VersionRange,
} from '../base/index.js';
import type { Done, Files } from '../ports/index.js';
import { StorageError } from './errors.js';
import { writeWhole } from './whole-file.js';

export const FORMAT_NUMBER = 1;
const FIRST_LINE = /^quorate format (\d{1,9})(?:\n|$)/;
const SECOND_LINE = /^.*\ncluster version (\d{1,9})\n$/;

export function formatPath(folder: string): string {
  return `${folder}/FORMAT`;
}

/** `present` false: a folder without a FORMAT file (new, or its birth was cut short). */
export function checkFormat(
  files: Files,
  folder: string,
  known: VersionRange,
  done: (error: Error | null, present: boolean) => void,
): void {
  files.readAll(formatPath(folder), (error, bytes) => {
    if (error) return done(error, false);
    if (bytes === null) return done(null, false);
    const refusal = refusalOf(decodeUtf8(bytes), folder, known);
    done(refusal, refusal === null);
  });
}

function refusalOf(text: string, folder: string, known: VersionRange): Error | null {
  const format = FIRST_LINE.exec(text);
  if (!format) {
    const what = `${formatPath(folder)} is not a format file of quorate: is this a data folder?`;
    return new StorageError('UNKNOWN_FORMAT', what);
  }
  const found = Number(format[1]);
  if (found > FORMAT_NUMBER) {
    const what = `${folder} has format ${found}, this program knows format ${FORMAT_NUMBER}: use a newer version`;
    return new StorageError('NEWER_FORMAT', what);
  }
  const version = SECOND_LINE.exec(text);
  if (found < FORMAT_NUMBER || !version) {
    const what =
      `${folder} was written by a build from before format ${FORMAT_NUMBER} was declared, which none reads any more: ` +
      'start with an empty data folder';
    return new StorageError('OLD_FORMAT', what);
  }
  const clusterVersion = Number(version[1]);
  return knowsVersion(known, clusterVersion)
    ? null
    : new UnknownVersionError(`the data folder ${folder}`, clusterVersion, known);
}

export function writeFormat(files: Files, folder: string, clusterVersion: number, done: Done): void {
  const text = `quorate format ${FORMAT_NUMBER}\ncluster version ${clusterVersion}\n`;
  writeWhole(files, folder, 'FORMAT', encodeUtf8(text), done);
}

/** Writes the file anew if it names a lower cluster version. */
export function raiseFormat(files: Files, folder: string, clusterVersion: number, done: Done): void {
  files.readAll(formatPath(folder), (error, bytes) => {
    if (error) return done(error);
    const version = SECOND_LINE.exec(bytes === null ? '' : decodeUtf8(bytes));
    if (version && Number(version[1]) >= clusterVersion) done(null);
    else writeFormat(files, folder, clusterVersion, done);
  });
}
