/** The service's log: one JSON line an event on standard output. */
import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * A logger with fixed keys (`executionId, itemId, attempt, durationMs, errorCode`).
 *
 * Never hand it inputs, outputs or request headers; the redaction is only a second line for keys and tokens.
 */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ['authorization', '*.authorization', 'secret', '*.secret', 'token', '*.token', 'key', '*.key'],
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
