/** `quorate status`: what a node says of itself and of its replicas. */
import type { Command } from 'commander';

import type { StatusResponse } from '../ports/index.js';
import { durationMs, hostPort } from './arguments.js';
import { callControl } from './control-call.js';
import type { Terminal } from './terminal.js';

interface StatusOptions {
  readonly endpoint: string;
  readonly timeout: number;
  readonly json?: boolean;
}

/** What the table shows of a replica; the JSON has more. Absent fields print as '-'. */
const COLUMNS = [
  'group',
  'replica',
  'role',
  'term',
  'leaderNode',
  'commit',
  'applied',
  'quiesced',
  'suspect',
] as const;

export function addStatusCommand(program: Command, terminal: Terminal, done: (code: number) => void): void {
  program
    .command('status')
    .description('show what a node says of itself and of its replicas')
    .option('--endpoint <HOST:PORT>', 'gRPC address of the node', hostPort, '127.0.0.1:7600')
    .option('--timeout <DURATION>', 'how long to wait for the answer', durationMs, 5_000)
    .option('--json', 'print everything as JSON')
    .action(async (options: StatusOptions) => {
      const status = await callControl(terminal.control, options.endpoint, 'status', {}, options.timeout);
      if (options.json === true) terminal.print(JSON.stringify(wholeStatus(status), null, 2));
      else describeStatus(status).forEach((line) => terminal.print(line));
      done(0);
    });
}

/** The node's own JSON, completed by what every answer has. */
function wholeStatus(status: StatusResponse): Record<string, unknown> {
  const { clusterId, nodeId, ready, missing } = status;
  return { clusterId, nodeId, ready, missing, ...parseStatus(status.json) };
}

function parseStatus(json: string): Record<string, unknown> {
  if (json === '') return {};
  const value: unknown = JSON.parse(json);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function describeStatus(status: StatusResponse): string[] {
  const lines = [
    `cluster  ${status.clusterId === '' ? 'none: waits to be part of one (quorate init)' : status.clusterId}`,
    `node     ${status.nodeId === 0 ? '-' : status.nodeId}`,
    `ready    ${status.ready ? 'yes' : 'no'}`,
    ...status.missing.map((missing) => `missing  ${missing}`),
  ];
  const { replicas, nodes } = parseStatus(status.json);
  lines.push(...describeListeners(nodes, status.nodeId));
  if (!Array.isArray(replicas) || replicas.length === 0) return lines;
  const rows = (replicas as Record<string, unknown>[]).map((replica) =>
    COLUMNS.map((column) => cell(replica[column])),
  );
  return [...lines, '', ...alignColumns([[...COLUMNS], ...rows])];
}

/** Where clients of the asked node's RESP listeners find them, as it tells others. */
function describeListeners(nodes: unknown, nodeId: number): string[] {
  if (!Array.isArray(nodes)) return [];
  const self = (nodes as Record<string, unknown>[]).find((node) => node['id'] === nodeId);
  const lines: string[] = [];
  if (isText(self?.['resp'])) lines.push(`resp     ${self['resp']}`);
  if (isText(self?.['respMoved'])) lines.push(`resp     ${self['respMoved']} (routing=moved)`);
  return lines;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function cell(value: unknown): string {
  return value === undefined || value === null ? '-' : String(value as string | number | boolean);
}

export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
