/** Names statements after the function that runs them. */
import { type Expression, type KyselyPlugin, RawNode, type RootOperationNode, SelectModifierNode, sql } from 'kysely';
import type { Db } from './database.ts';

/**
 * The same database or transaction, whose statements end in a comment with their name.
 *
 * `named(db, 'settleItems').updateTable('batchItem')…`: so `pg_stat_statements` and a server's log read like the
 * code. The name goes into the SQL as it is; anything but letters throws.
 */
export function named<D extends Db>(db: D, name: string): D {
  if (!/^[A-Za-z]+$/.test(name)) throw new Error(`A statement is named by a function, not by ${JSON.stringify(name)}.`);
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => withComment(node, `/* ${name} */`),
    transformResult: async ({ result }) => result,
  };
  // A Transaction answers a Transaction, but Kysely's type says so only where the class itself is named.
  return db.withPlugin(plugin) as D;
}

/**
 * The rows of a query whose text never varies, sent as a raw statement, which a database plans once (see
 * `prepared.ts`): for what is asked all the time while a batch runs.
 */
export async function rowsOf<Row>(db: Db, name: string, query: Expression<Row>): Promise<Row[]> {
  const { rows } = await sql<Row>`${sql.raw(`/* ${name} */`)} ${query}`.execute(db);
  return rows;
}

function withComment(node: RootOperationNode, comment: string): RootOperationNode {
  const raw = RawNode.createWithSql(comment);
  switch (node.kind) {
    case 'SelectQueryNode': {
      const modifier = SelectModifierNode.createWithExpression(raw);
      return { ...node, endModifiers: [...(node.endModifiers ?? []), modifier] };
    }
    case 'InsertQueryNode':
      return { ...node, endModifiers: [...(node.endModifiers ?? []), raw] };
    case 'UpdateQueryNode':
      return { ...node, endModifiers: [...(node.endModifiers ?? []), raw] };
    case 'DeleteQueryNode':
      return { ...node, endModifiers: [...(node.endModifiers ?? []), raw] };
    case 'RawNode': {
      const last = node.sqlFragments.length - 1;
      const fragments = node.sqlFragments.map((text, index) => (index === last ? `${text} ${comment}` : text));
      return RawNode.create(fragments, node.parameters);
    }
    default:
      return node;
  }
}
