/**
 * JSON logs, one object a line, by pino. Written synchronously: the last line before an exit is the one that matters,
 * and nothing on the hot path logs.
 */
import { pino, destination } from 'pino';
import type { Logger as Pino } from 'pino';

import type { LogFields, Logger } from '../ports/index.js';

export interface PinoLoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** File descriptor; standard output when absent. */
  readonly descriptor?: number;
  /** On every line. */
  readonly fields?: LogFields;
}

export function createPinoLogger(options: PinoLoggerOptions): Logger {
  const sink = destination({ dest: options.descriptor ?? 1, sync: true });
  // A reader of our logs that goes away must not take the node with it.
  sink.on('error', () => undefined);
  return wrap(
    pino(
      {
        level: options.level,
        base: { ...options.fields },
        messageKey: 'event',
        timestamp: () => `,"time":"${new Date().toISOString()}"`,
        formatters: { level: (label) => ({ level: label }) },
      },
      sink,
    ),
  );
}

function wrap(log: Pino): Logger {
  return {
    debug: (event, fields) => log.debug(fields ?? {}, event),
    info: (event, fields) => log.info(fields ?? {}, event),
    warn: (event, fields) => log.warn(fields ?? {}, event),
    error: (event, fields) => log.error(fields ?? {}, event),
    child: (fields) => wrap(log.child(fields)),
  };
}
