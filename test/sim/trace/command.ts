/**
 * `npm run sim -- --raft-trace FILE [--seed N] [--events N] [--no-prevote]`: writes a trace of one group for a model
 * check, instead of playing runs.
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { checkTrace } from './check-trace.js';
import { traceRun } from './trace-run.js';

const EVENTS_DEFAULT = 400;

/** The exit code; null when no trace is asked for. */
export function traceCommand(args: readonly string[]): number | null {
  if (!args.some((arg) => arg === '--raft-trace' || arg.startsWith('--raft-trace='))) return null;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        'raft-trace': { type: 'string' },
        'no-prevote': { type: 'boolean' },
        events: { type: 'string' },
        seed: { type: 'string' },
      },
    });
    const seed = whole('--seed', values.seed, randomInt(2 ** 31), 0);
    const events = whole('--events', values.events, EVENTS_DEFAULT, 1);
    const preVote = values['no-prevote'] !== true;
    const file = values['raft-trace'] ?? '';
    if (file === '') throw new Error('--raft-trace: expected a file');
    console.log(`seed: ${seed}`);
    const lines = traceRun({ seed, preVote, events });
    // With PreVote a run takes turns that the model, and so its check, doesn't know.
    if (!preVote) checkTrace(lines);
    writeFileSync(file, `${lines.join('\n')}\n`);
    console.log(`${lines.length} events of one group written to ${file}`);
    return 0;
  } catch (error) {
    console.error(`sim: ${(error as Error).message}`);
    return (error as Error).name === 'TraceViolation' ? 1 : 2;
  }
}

function whole(name: string, text: string | undefined, otherwise: number, min: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < min) {
    throw new Error(`${name}: expected a whole number from ${min}, not ${text}`);
  }
  return value;
}
