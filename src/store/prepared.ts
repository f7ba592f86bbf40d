/** Statements that a server parses and plans once on each connection. */
import { createHash } from 'node:crypto';
import type pg from 'pg';

/** Raw statements start with the name of their function; those that Kysely builds end with it, and vary in their text. */
const IS_RAW = /^\/\* (\w+) \*\//;

const names = new Map<string, string>();

/**
 * Lets the server keep what it made of each raw statement that this connection sends.
 *
 * Parsing and planning are a quarter of a flush of 500 items (measured: 21 us of the server's time an item instead
 * of 16). Only raw statements: their texts are few, while each length of a list that Kysely writes is another text.
 */
export function prepareRawStatements(client: pg.Client): void {
  const query: (...args: unknown[]) => unknown = client.query.bind(client);
  Object.assign(client, {
    query: (statement: unknown, values?: unknown, ...rest: unknown[]) => {
      const name = typeof statement === 'string' ? statementName(statement) : undefined;
      return name === undefined ? query(statement, values, ...rest) : query({ name, text: statement, values }, ...rest);
    },
  });
}

/**
 * Has this connection's statements go by an index wherever there is one.
 *
 * A kept plan outlives the size that its tables had. Where few items have rows yet, reading all of them is the cheapest way
 * to find one, and was still the way when each of thousands had one (measured: 38 million rows read for 10,000 items).
 * What has no index looks so dear then that the server would compile it first, hence the second setting.
 */
export function planByIndex(client: pg.Client): void {
  const settings = `select set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)`;
  // Where it fails the connection is gone, as whoever asked for it is told.
  client.query(settings).catch(() => undefined);
}

/** The name under which a raw statement is kept; undefined for those that Kysely built. */
export function statementName(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined) return known;
  const [, word] = IS_RAW.exec(text) ?? [];
  if (word === undefined) return undefined;
  const name = `${word.slice(0, 40)}_${createHash('sha1').update(text).digest('hex').slice(0, 12)}`;
  names.set(text, name);
  return name;
}
