/** Reads the settings, serves until it is told to stop. */
import { createApp } from './app.ts';
import { ConfigError, processConfig } from './config.ts';
import { DataFolderInUseError } from './store/folder-lock.ts';
import { NewerSchemaError, PendingMigrationsError } from './store/migrate.ts';
import { UnusableServerError } from './store/postgres.ts';

/** Runs the service as this process; what keeps it from starting is printed, and ends it. */
export async function serve(): Promise<void> {
  try {
    await start();
  } catch (error) {
    console.error(saysAll(error) ? error.message : error);
    process.exit(1);
  }
}

/** Starts the service and waits for a signal; a second one ends the process at once. */
async function start(): Promise<void> {
  const app = createApp(processConfig());
  const { url, kind, madeKey, loginLink } = await app.start();
  console.log(`Batchyard serves on ${url}/graphql`);
  if (madeKey !== null) console.log(`The first API key, shown this once: ${madeKey}`);
  // On a shared database the log may be read by others than the operator.
  if (kind === 'embedded') console.log(`Open GraphiQL (works once): ${loginLink()}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(1));
      void app.stop().then(() => process.exit(0));
    });
  }
}

/** Whether the message alone tells the operator what to change; of anything else the stack is wanted too. */
function saysAll(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const ours = [ConfigError, DataFolderInUseError, UnusableServerError, PendingMigrationsError, NewerSchemaError];
  return ours.some((kind) => error instanceof kind) || Reflect.get(error, 'syscall') === 'listen';
}
