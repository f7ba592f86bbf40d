/** Counting the statements that a piece of code sends. */
import type { KyselyPlugin } from 'kysely';
import type { Db } from '../../src/store/database.ts';

/** The same database, and how many statements went through it so far; begins and ends of transactions are not among them. */
export function countStatements(db: Db): { db: Db; statements(): number } {
  let sent = 0;
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => {
      sent += 1;
      return node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  };
  return { db: db.withPlugin(plugin), statements: () => sent };
}
