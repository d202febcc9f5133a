/**
 * All served commands, and the way from a client's bytes to a row: a small open-addressed table keyed by the name in
 * any case, so that no string is made per command.
 */
import { CLIENT_COMMAND } from './client-command.js';
import { CLUSTER_COMMANDS } from './cluster-command.js';
import { COMMAND_COMMAND } from './command-command.js';
import { lower, type CommandSpec } from './command-spec.js';
import { CONNECTION_COMMANDS } from './connection-commands.js';
import { KEY_COMMANDS } from './key-commands.js';
import { KEYSPACE_COMMANDS } from './keyspace-commands.js';
import { RANGE_COMMANDS } from './range-commands.js';
import { SERVER_COMMANDS } from './server-commands.js';
import { SET_COMMANDS } from './set-commands.js';
import { STRING_COMMANDS } from './string-commands.js';

const COMMANDS: readonly CommandSpec[] = [
  ...STRING_COMMANDS,
  ...SET_COMMANDS,
  ...RANGE_COMMANDS,
  ...KEY_COMMANDS,
  ...KEYSPACE_COMMANDS,
  ...CONNECTION_COMMANDS,
  CLIENT_COMMAND,
  ...SERVER_COMMANDS,
  ...CLUSTER_COMMANDS,
  COMMAND_COMMAND,
];

/** A power of two, several times the number of commands: most names are found at the first place. */
const PLACES = 512;
const NONE = 0xffff;

export class CommandTable {
  readonly rows = COMMANDS;
  private readonly places = new Uint16Array(PLACES).fill(NONE);

  constructor() {
    this.rows.forEach((row, index) => {
      let place = hashName(row.name);
      while (this.places[place] !== NONE) place = (place + 1) % PLACES;
      this.places[place] = index;
    });
  }

  /** Number of the row named by `bytes[start, end)`, -1 for none. */
  find(bytes: Uint8Array, start: number, end: number): number {
    for (let place = hashBytes(bytes, start, end); ; place = (place + 1) % PLACES) {
      const index = this.places[place] as number;
      if (index === NONE) return -1;
      if (isNamed((this.rows[index] as CommandSpec).name, bytes, start, end)) return index;
    }
  }
}

function isNamed(name: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (lower(bytes[start + i] as number) !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** Length, and the first three and the last character, tell these few names apart well enough. */
function hash(length: number, a: number, b: number, c: number, last: number): number {
  return (length + a * 31 + b * 7 + c * 67 + last * 13) % PLACES;
}

function hashName(name: string): number {
  const at = (i: number): number => (i >= 0 && i < name.length ? name.charCodeAt(i) : 0);
  return hash(name.length, at(0), at(1), at(2), at(name.length - 1));
}

function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const a = length > 0 ? lower(bytes[start] as number) : 0;
  const b = length > 1 ? lower(bytes[start + 1] as number) : 0;
  const c = length > 2 ? lower(bytes[start + 2] as number) : 0;
  const last = length > 0 ? lower(bytes[end - 1] as number) : 0;
  return hash(length, a, b, c, last);
}
