/** `quorate config`: settings of the whole cluster, read and changed while it runs. */
import type { Command } from 'commander';

import type { ConfigRequest, ConfigResponse } from '../ports/index.js';
import { CLUSTER_SETTING_NAMES } from '../settings/index.js';
import { durationMs, hostPort } from './arguments.js';
import { callControl } from './control-call.js';
import type { Terminal } from './terminal.js';

interface ConfigOptions {
  readonly endpoint: string;
  readonly timeout: number;
  readonly json?: boolean;
}

type Setting = ConfigResponse['settings'][number];

export function addConfigCommand(program: Command, terminal: Terminal, done: (code: number) => void): void {
  const config = program
    .command('config')
    .description(`settings of the whole cluster, at run time: ${CLUSTER_SETTING_NAMES.join(', ')}`);
  const run = async (request: ConfigRequest, options: ConfigOptions): Promise<void> => {
    const answer = await callControl(terminal.control, options.endpoint, 'config', request, options.timeout);
    if (options.json === true) terminal.print(JSON.stringify(asJson(request, answer.settings), null, 2));
    else describeSettings(request, answer.settings).forEach((line) => terminal.print(line));
    done(0);
  };
  const add = (usage: string, text: string): Command =>
    config
      .command(usage)
      .description(text)
      .option('--endpoint <HOST:PORT>', 'gRPC address of any node', hostPort, '127.0.0.1:7600')
      .option('--timeout <DURATION>', 'how long to wait for the answer', durationMs, 5_000)
      .option('--json', 'print as JSON');
  add('list', 'show every setting, what it accepts and what is in force').action((options: ConfigOptions) =>
    run({ action: 'list', name: '', value: '' }, options),
  );
  add('get [NAME]', 'show one setting, or all of them').action(
    (name: string | undefined, options: ConfigOptions) =>
      run({ action: name === undefined ? 'list' : 'get', name: name ?? '', value: '' }, options),
  );
  add('set <NAME> <VALUE>', 'change a setting on every node').action(
    (name: string, value: string, options: ConfigOptions) => run({ action: 'set', name, value }, options),
  );
  add('reset <NAME>', 'take a setting back to its default').action((name: string, options: ConfigOptions) =>
    run({ action: 'reset', name, value: '' }, options),
  );
}

function asJson({ action }: ConfigRequest, settings: readonly Setting[]): unknown {
  const rows = settings.map(({ name, value, isDefault, accepts, help }) => ({
    name,
    value,
    default: isDefault,
    accepts,
    help,
  }));
  return action === 'list' ? rows : rows[0];
}

export function describeSettings({ action }: ConfigRequest, settings: readonly Setting[]): string[] {
  return settings.flatMap(({ name, value, isDefault, accepts, help }) => {
    const line = `${name} = ${value}${isDefault ? ' (default)' : ''}`;
    return action === 'list' ? [line, `    ${help}; accepts ${accepts}`] : [line];
  });
}
