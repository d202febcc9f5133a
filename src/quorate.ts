#!/usr/bin/env node
/**
 * The program: hands the command line its terminal, and ends with its exit code. The server and gRPC are loaded when a
 * command needs them: they take longer to load than `--help` to print.
 */
import { fileURLToPath } from 'node:url';

import { VERSION } from './base/index.js';
import { runCommandLine } from './cli/index.js';
import type { ControlClient } from './ports/index.js';

// A reader that goes away (`quorate status | head`) is no error.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

let connected: Promise<ControlClient> | null = null;

const control: ControlClient = {
  call: (address, method, request, deadlineMs, done) => {
    connected ??= import('./adapters/index.js').then((adapters) => adapters.createGrpcControlClient());
    void connected.then((client) => client.call(address, method, request, deadlineMs, done));
  },
};

const exitCode = await runCommandLine(process.argv.slice(2), {
  version: VERSION,
  control,
  print: (line) => void process.stdout.write(`${line}\n`),
  complain: (line) => void process.stderr.write(`${line}\n`),
  runServer: async (request) => (await import('./server.js')).runServer(request),
  self: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
});
process.exit(exitCode);
