#!/usr/bin/env node
/** The program: hands the command line its terminal, and ends with its exit code. */
import { fileURLToPath } from 'node:url';

import { createGrpcControlClient } from './adapters/index.js';
import { runCommandLine } from './cli/index.js';
import { VERSION } from './node/index.js';
import { runServer } from './server.js';

// A reader that goes away (`quorate status | head`) is no error.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

const exitCode = await runCommandLine(process.argv.slice(2), {
  version: VERSION,
  control: createGrpcControlClient(),
  print: (line) => void process.stdout.write(`${line}\n`),
  complain: (line) => void process.stderr.write(`${line}\n`),
  runServer,
  self: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
});
process.exit(exitCode);
