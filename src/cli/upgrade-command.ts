/** `quorate upgrade`: how far an upgrade of the cluster has come, and its end. */
import type { Command } from 'commander';

import { describeVersions, QuorateError } from '../base/index.js';
import type { UpgradeResponse } from '../ports/index.js';
import { durationMs, hostPort } from './arguments.js';
import { callControl } from './control-call.js';
import { alignColumns } from './status-command.js';
import type { Terminal } from './terminal.js';

interface UpgradeOptions {
  readonly endpoint: string;
  readonly timeout: number;
  readonly json?: boolean;
  readonly yes?: boolean;
}

const HELP = `
Upgrade the nodes one after the other: stop one, start it with the new build, wait until it is ready. Until the end the
cluster behaves as before, and each node may go back to the build before. \`quorate upgrade finish\` ends it: from then on
what only the new build knows is in use, and older builds are refused. There is no way back from there.`;

const FINISH_HELP = `
Refused when a node last started with a build that does not know the new version: it says which one. It may be repeated.`;

export function addUpgradeCommand(program: Command, terminal: Terminal, done: (code: number) => void): void {
  const upgrade = program
    .command('upgrade')
    .description('the cluster version: which builds may take part, and what they may use')
    .addHelpText('after', HELP);
  const add = (usage: string, text: string): Command =>
    upgrade
      .command(usage)
      .description(text)
      .option('--endpoint <HOST:PORT>', 'gRPC address of any node', hostPort, '127.0.0.1:7600')
      .option('--timeout <DURATION>', 'how long to wait for the answer', durationMs, 10_000)
      .option('--json', 'print as JSON');
  const call = (
    action: 'status' | 'finish',
    { endpoint, timeout }: UpgradeOptions,
  ): Promise<UpgradeResponse> => callControl(terminal.control, endpoint, 'upgrade', { action }, timeout);
  const print = (answer: UpgradeResponse, options: UpgradeOptions, lines: readonly string[]): void => {
    if (options.json === true) terminal.print(JSON.stringify(asJson(answer), null, 2));
    else lines.forEach((line) => terminal.print(line));
    done(0);
  };

  add('status', 'show the version in force, and what each node knows').action(
    async (options: UpgradeOptions) => {
      const answer = await call('status', options);
      print(answer, options, describeUpgrade(answer));
    },
  );
  add('finish', 'put the newest version in force, for good')
    .option('--yes', 'do it; without this it only says what it would do')
    .addHelpText('after', FINISH_HELP)
    .action(async (options: UpgradeOptions) => {
      const before = await call('status', options);
      if (before.target === before.clusterVersion) {
        print(before, options, [`nothing to finish: version ${before.clusterVersion} is in force`]);
        return;
      }
      if (options.yes !== true) {
        throw new QuorateError(
          'INVALID_ARGUMENT',
          `this takes the cluster from version ${before.clusterVersion} to ${before.target}, and older builds can't come ` +
            'back: say so with --yes',
        );
      }
      const after = await call('finish', options);
      print(after, options, [`version ${after.clusterVersion} is in force; older builds are refused`]);
    });
}

function asJson({ clusterVersion, target, nodes }: UpgradeResponse): unknown {
  return {
    clusterVersion,
    target,
    canFinish: tooOld({ clusterVersion, target, nodes }).length === 0,
    nodes: nodes.map(({ id, address, versions }) => ({ id, address, ...versions })),
  };
}

type Facts = Pick<UpgradeResponse, 'clusterVersion' | 'target' | 'nodes'>;

function tooOld({ target, nodes }: Facts): readonly number[] {
  return nodes.filter(({ versions }) => versions.max < target || versions.min > target).map(({ id }) => id);
}

export function describeUpgrade(facts: Facts): string[] {
  const { clusterVersion, target, nodes } = facts;
  const rows = nodes.map(({ id, address, versions }) => [
    `  node ${id}`,
    address,
    `knows ${describeVersions(versions)}`,
  ]);
  return [
    `version ${clusterVersion} is in force`,
    ...alignColumns(rows),
    nextStep(clusterVersion, target, tooOld(facts)),
  ];
}

function nextStep(clusterVersion: number, target: number, old: readonly number[]): string {
  if (target === clusterVersion) return 'no upgrade is under way';
  if (old.length === 0)
    return `every node knows version ${target}: \`quorate upgrade finish\` puts it in force`;
  return `version ${target} waits for node ${old.join(', ')}: start ${old.length === 1 ? 'it' : 'them'} with the newer build`;
}
