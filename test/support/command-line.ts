/** Runs a command line against a control client of the test's own, and keeps what it printed. */
import { runCommandLine } from '../../src/cli/index.js';
import type { ControlClient } from '../../src/ports/index.js';

export interface RanCommand {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function runCommand(words: readonly string[], control: ControlClient): Promise<RanCommand> {
  const ran = { out: '', err: '' };
  const code = await runCommandLine([...words], {
    version: '1',
    control,
    print: (line) => (ran.out += `${line}\n`),
    complain: (line) => (ran.err += `${line}\n`),
    runServer: () => Promise.resolve(0),
    self: ['node'],
  });
  return { ...ran, code };
}
