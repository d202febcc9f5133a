/** `quorate server`: one flag per setting, made from the table of settings, so that none can be missing. */
import { Option } from 'commander';
import type { Command } from 'commander';

import { flagOf, nodeSettingsSchema, SETTING_NAMES, SETTINGS } from '../settings/index.js';
import type { SettingName } from '../settings/index.js';
import type { Terminal } from './terminal.js';

const EXAMPLES = `
Examples:
  quorate server --data ./data --single
      A cluster of one node that founds itself.
  quorate server --data ./n1 --grpc 127.0.0.1:7600
  quorate server --data ./n2 --grpc 127.0.0.1:7601 --join 127.0.0.1:7600
  quorate server --data ./n3 --grpc 127.0.0.1:7602 --join 127.0.0.1:7600
  quorate init --endpoint 127.0.0.1:7600
      Three nodes, made one cluster.
  quorate server --data ./n1 --resp 127.0.0.1:7379 --resp 127.0.0.1:7479,routing=moved
      Two RESP listeners: one for any client, one for clients of Redis Cluster.
  quorate server --data ./n2
      Starts a node again: identity and settings are in its data directory.

Every setting may also stand in quorate.yaml (as raft: { tickMs: 50 }) or in the environment (as
QUORATE_RAFT_TICK_MS). Flags beat the environment, that beats the file, that beats what the data directory stores.
Exit codes: 2 usage, 69 port in use, 70 internal error, 74 disk, 78 refused directory or cluster.`;

export function addServerCommand(program: Command, terminal: Terminal, done: (code: number) => void): void {
  const command = program.command('server').description('run a node');
  command.optionsGroup('Settings:');
  for (const name of SETTING_NAMES) if (SETTINGS[name].everyday) command.addOption(optionOf(name));
  command.option('--config <FILE>', 'settings file (default: ./quorate.yaml, if there is one)');
  command.addOption(new Option('--watch-parent').hideHelp());
  command.optionsGroup('Tuning:');
  for (const name of SETTING_NAMES) if (!SETTINGS[name].everyday) command.addOption(optionOf(name));
  command.addHelpText('after', EXAMPLES);
  command.action(async (options: Record<string, string | boolean | undefined>) => {
    done(
      await terminal.runServer({
        flags: flagsFrom(options),
        configPath: typeof options['config'] === 'string' ? options['config'] : null,
        watchParent: options['watchParent'] === true,
      }),
    );
  });
}

/** Values stay text here: settings/ turns flags, environment and file into values by the same rules. */
function optionOf(name: SettingName): Option {
  const { kind, argument, help } = SETTINGS[name];
  if (kind === 'boolean') return new Option(`--${flagOf(name)} [${argument}]`, help).preset('true');
  const option = new Option(`--${flagOf(name)} <${argument}>`, withDefault(name, help));
  if (kind !== 'listeners') return option;
  return option.argParser((text: string, before: string | undefined) =>
    before === undefined ? text : `${before} ${text}`,
  );
}

function withDefault(name: SettingName, help: string): string {
  let value: unknown = nodeSettingsSchema.parse({});
  for (const part of name.split('.')) value = (value as Record<string, unknown>)[part];
  const isPlain = typeof value === 'number' || (typeof value === 'string' && value !== '');
  return isPlain && !help.includes('(default') ? `${help} (default: ${value})` : help;
}

/** Commander files options under camelCase names of their flags. */
function flagsFrom(options: Readonly<Record<string, unknown>>): Map<SettingName, string> {
  const flags = new Map<SettingName, string>();
  for (const name of SETTING_NAMES) {
    const value = options[new Option(`--${flagOf(name)}`).attributeName()];
    if (value !== undefined) flags.set(name, String(value));
  }
  return flags;
}
