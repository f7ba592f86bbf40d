/** Every setting of the service; nothing else reads the environment. */
import { z } from 'zod';
import { parseAllowedHost } from './domain/allowed-hosts.ts';
import { LIMITS } from './domain/limits.ts';
import { LOG_LEVELS } from './log.ts';

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ''),
);

const origin = z
  .string()
  .refine((text) => URL.parse(text)?.origin === text, 'must be origins such as https://app.example, without a path');

const switchable = z.enum(['on', 'off'], 'must be on or off').transform((text) => text === 'on');

const secret = z
  .string()
  .min(20, 'must have at least 20 characters')
  .max(512, 'must have at most 512 characters')
  // HTTP headers carry it, so it must survive there.
  .regex(/^[\x21-\x7e]*$/, 'must be printable ASCII without spaces');

const ENVIRONMENT = {
  PORT: { schema: integer(0, 65_535), fallback: '4000', meaning: 'where it listens; 0 takes any free port' },
  HOST: { schema: z.string(), fallback: '127.0.0.1', meaning: 'the address it listens on' },
  DATABASE_URL: {
    schema: z.string().regex(/^postgres(ql)?:\/\//, 'must start with postgres:// or postgresql://'),
    fallback: null,
    meaning: 'PostgreSQL; unset means the embedded database',
  },
  BATCHYARD_POOL_SIZE: { schema: integer(2, 200), fallback: '10', meaning: 'most connections to PostgreSQL at once' },
  BATCHYARD_DATA_DIR: {
    schema: z.string(),
    fallback: '.batchyard',
    meaning: 'the embedded database and other local state',
  },
  BATCHYARD_ROOT_KEY: {
    schema: secret,
    fallback: null,
    meaning:
      'the API key of the first project of a fresh database, 20 or more characters; else one is made and shown once',
  },
  BATCHYARD_SECRET_KEY: {
    schema: secret,
    fallback: null,
    meaning:
      'encrypts stored secrets and signs links to results, 20 or more characters; must be given when `DATABASE_URL` is set, else it is made in the data folder',
  },
  BATCHYARD_AGENTS_DIR: {
    schema: z.string(),
    fallback: 'agents',
    meaning: 'module agents: one file, one agent, named by the file',
  },
  BATCHYARD_AGENT_THREADS: {
    schema: integer(1, 256),
    fallback: null,
    meaning: 'threads that module agents share; unset means one for each core',
  },
  BATCHYARD_FOLDERS_DIR: {
    schema: z.string(),
    fallback: null,
    meaning: 'folder datasources of a project live below `<this>/<project id or slug>`; unset means none',
  },
  BATCHYARD_NODE_CONCURRENCY: {
    schema: integer(1, 100_000),
    fallback: '1000',
    meaning:
      'items that run at a time in this process, over all executions; they share it fairly, and while there are several a twentieth is left to those that have less than that',
  },
  BATCHYARD_STORM_LIMIT_MS: {
    schema: integer(1_000, 86_400_000),
    fallback: '600000',
    meaning: 'how long an agent may fail at most calls before the executions that need it are paused, in ms',
  },
  BATCHYARD_RETENTION_DAYS: {
    schema: integer(LIMITS.retentionDays.min, LIMITS.retentionDays.max),
    fallback: null,
    meaning:
      'executions are deleted so many days after their end, unless their project says otherwise; unset means never',
  },
  BATCHYARD_CANCEL_GRACE_MS: {
    schema: integer(0, 600_000),
    fallback: '5000',
    meaning: 'how long items that run may go on after a cancel, in ms',
  },
  BATCHYARD_STOP_TIMEOUT_MS: {
    schema: integer(0, 600_000),
    fallback: '10000',
    meaning: 'how long a stop waits for open requests, in ms',
  },
  BATCHYARD_ALLOWED_HOSTS: {
    schema: list,
    fallback: '',
    meaning: 'further names that the `Host` header may have (comma-separated), besides `HOST` and localhost',
  },
  BATCHYARD_ALLOWED_ORIGINS: {
    schema: list.pipe(z.array(origin)),
    fallback: '',
    meaning: 'web pages of other origins that may call the API (comma-separated, e.g. `https://app.example`)',
  },
  BATCHYARD_ALLOW_PRIVATE_HOSTS: {
    schema: list.transform((entries, ctx) =>
      entries.flatMap((entry) => {
        const allowed = parseAllowedHost(entry);
        if (allowed === null)
          ctx.addIssue('must be names, addresses or ranges such as 10.0.0.0/8, each also with a port');
        return allowed ?? [];
      }),
    ),
    fallback: '',
    meaning:
      'hosts that http and chat agents and documents by URL may reach although they are private or without https (comma-separated names, addresses or ranges such as `10.0.0.0/8`, each also with `:port`)',
  },
  BATCHYARD_GRAPHIQL: { schema: switchable, fallback: 'on', meaning: '`off` takes the GraphiQL page away' },
  LOG_LEVEL: {
    schema: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`),
    fallback: 'info',
    meaning: LOG_LEVELS.join(', '),
  },
} as const;

type Name = keyof typeof ENVIRONMENT;

/** A setting as the README's table shows it; `fallback` null: unset. */
export interface Setting {
  readonly name: string;
  readonly fallback: string | null;
  readonly meaning: string;
}

/** Every setting: its name, what it is when unset, and what it means. */
export const SETTINGS: readonly Setting[] = Object.entries(ENVIRONMENT).map(([name, { fallback, meaning }]) => ({
  name,
  fallback: fallback === '' ? null : fallback,
  meaning,
}));

/** The settings, checked. */
export type Config = ReturnType<typeof toConfig>;

/** Settings that cannot be used; the message names each with its rule, and no value. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`The settings cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** The settings that an environment gives. Pure; throws ConfigError with every problem at once. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const read = <N extends Name>(name: N): z.infer<(typeof ENVIRONMENT)[N]['schema']> | null => {
    const { schema, fallback } = ENVIRONMENT[name];
    // An empty value means unset: so do compose files and shells write it.
    const result = z.nullable(schema).safeParse(env[name] || fallback);
    // Which schema it is depends on N, and TypeScript does not follow that through the record.
    if (result.success) return result.data as z.infer<(typeof ENVIRONMENT)[N]['schema']> | null;
    problems.push(...new Set(result.error.issues.map((issue) => `${name} ${issue.message}`)));
    return null;
  };
  const config = toConfig(read);
  if (env['DATABASE_URL'] && !env['BATCHYARD_SECRET_KEY']) {
    problems.push('BATCHYARD_SECRET_KEY must be given when DATABASE_URL is set');
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** The settings of this process; `defaults` take the place of what its environment leaves out. */
export const processConfig = (defaults: Readonly<Record<string, string>> = {}): Config =>
  loadConfig({ ...defaults, ...process.env });

type Read = <N extends Name>(name: N) => z.infer<(typeof ENVIRONMENT)[N]['schema']> | null;

// The values behind `??` are never used: they stand where a problem was noted, or repeat nothing but the type.
const toConfig = (read: Read) => ({
  port: read('PORT') ?? 0,
  host: read('HOST') ?? '',
  databaseUrl: read('DATABASE_URL'),
  poolSize: read('BATCHYARD_POOL_SIZE') ?? 0,
  dataDir: read('BATCHYARD_DATA_DIR') ?? '',
  rootKey: read('BATCHYARD_ROOT_KEY'),
  secretKey: read('BATCHYARD_SECRET_KEY'),
  agentsDir: read('BATCHYARD_AGENTS_DIR') ?? '',
  agentThreads: read('BATCHYARD_AGENT_THREADS'),
  foldersDir: read('BATCHYARD_FOLDERS_DIR'),
  nodeConcurrency: read('BATCHYARD_NODE_CONCURRENCY') ?? 0,
  stormLimitMs: read('BATCHYARD_STORM_LIMIT_MS') ?? 0,
  retentionDays: read('BATCHYARD_RETENTION_DAYS'),
  cancelGraceMs: read('BATCHYARD_CANCEL_GRACE_MS') ?? 0,
  stopTimeoutMs: read('BATCHYARD_STOP_TIMEOUT_MS') ?? 0,
  allowedHosts: read('BATCHYARD_ALLOWED_HOSTS') ?? [],
  allowedOrigins: read('BATCHYARD_ALLOWED_ORIGINS') ?? [],
  allowPrivateHosts: read('BATCHYARD_ALLOW_PRIVATE_HOSTS') ?? [],
  graphiql: read('BATCHYARD_GRAPHIQL') ?? true,
  logLevel: read('LOG_LEVEL') ?? 'info',
});
