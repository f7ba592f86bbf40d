import { expect, test } from 'vitest';
import { ConfigError, loadConfig, SETTINGS } from '../../src/config.ts';

const problemsOf = (env: Record<string, string>): readonly string[] => {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

test('an empty environment gives the documented defaults', () => {
  expect(loadConfig({})).toMatchObject({
    port: 4000,
    host: '127.0.0.1',
    databaseUrl: null,
    dataDir: '.batchyard',
    agentsDir: 'agents',
    foldersDir: null,
    rootKey: null,
    cancelGraceMs: 5_000,
    graphiql: true,
    allowedHosts: [],
    allowedOrigins: [],
    logLevel: 'info',
  });
});

test('every problem is reported at once, and no value with it', () => {
  const env = {
    PORT: '70000',
    BATCHYARD_ROOT_KEY: 'tooshort',
    DATABASE_URL: 'mysql://user:hunter2@db',
    BATCHYARD_ALLOWED_ORIGINS: 'https://app.example/path',
    BATCHYARD_GRAPHIQL: 'maybe',
    LOG_LEVEL: 'loud',
  };
  const problems = problemsOf(env);
  expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
    'PORT',
    'DATABASE_URL',
    'BATCHYARD_ROOT_KEY',
    'BATCHYARD_ALLOWED_ORIGINS',
    'BATCHYARD_GRAPHIQL',
    'LOG_LEVEL',
    'BATCHYARD_SECRET_KEY',
  ]);
  for (const value of Object.values(env)) expect(problems.join('\n')).not.toContain(value);
});

test('a database server asks for a secret key', () => {
  const DATABASE_URL = 'postgres://db/batchyard';
  expect(problemsOf({ DATABASE_URL })).toEqual(['BATCHYARD_SECRET_KEY must be given when DATABASE_URL is set']);
  expect(loadConfig({ DATABASE_URL, BATCHYARD_SECRET_KEY: 'x'.repeat(20) }).databaseUrl).toBe(DATABASE_URL);
});

test('an empty value means unset', () => {
  expect(loadConfig({ PORT: '', DATABASE_URL: '', BATCHYARD_ROOT_KEY: '' })).toEqual(loadConfig({}));
});

test('lists are split at commas', () => {
  const { allowedHosts, allowedOrigins } = loadConfig({
    BATCHYARD_ALLOWED_HOSTS: 'batch.example, batch.internal,',
    BATCHYARD_ALLOWED_ORIGINS: 'https://app.example,http://localhost:3000',
  });
  expect(allowedHosts).toEqual(['batch.example', 'batch.internal']);
  expect(allowedOrigins).toEqual(['https://app.example', 'http://localhost:3000']);
});

test('hosts that are allowed although private are names, addresses or ranges, and nothing else', () => {
  const { allowPrivateHosts } = loadConfig({ BATCHYARD_ALLOW_PRIVATE_HOSTS: 'model.internal:11434, 10.0.0.0/8' });
  expect(allowPrivateHosts).toMatchObject([{ name: 'model.internal', port: 11_434 }, { port: null }]);
  expect(problemsOf({ BATCHYARD_ALLOW_PRIVATE_HOSTS: 'http://model.internal, *.internal, 10.0.0.0/99' })).toEqual([
    expect.stringMatching(/^BATCHYARD_ALLOW_PRIVATE_HOSTS must be names, addresses or ranges/),
  ]);
});

test('the table of settings names each once, with a meaning', () => {
  const names = SETTINGS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(SETTINGS.every(({ meaning }) => meaning.length > 10)).toBe(true);
});
