/**
 * What a command has of the outside: where it prints, how it reaches nodes, how it starts one. The root gives the
 * real things, tests give their own.
 */
import type { ControlClient } from '../ports/index.js';
import type { SettingName } from '../settings/index.js';

/** What `quorate server` was asked for; the root reads the rest of the settings and runs the node. */
export interface ServerRequest {
  readonly flags: ReadonlyMap<SettingName, string>;
  /** Path of the settings file; null: quorate.yaml, if there is one. */
  readonly configPath: string | null;
  /** End when standard input ends: the starter is gone. */
  readonly watchParent: boolean;
}

export interface Terminal {
  readonly version: string;
  readonly control: ControlClient;
  /** A line for people or programs on standard output. */
  print(line: string): void;
  /** A line on standard error. */
  complain(line: string): void;
  /** Runs a node in this process; resolves with the exit code once it has ended. */
  runServer(request: ServerRequest): Promise<number>;
  /** Command and leading arguments that run this program again. */
  readonly self: readonly [string, ...string[]];
}
