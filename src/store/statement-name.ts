/** Names statements after the function that runs them. */
import {
  type CompiledQuery,
  type Expression,
  type KyselyPlugin,
  type RawBuilder,
  RawNode,
  type RootOperationNode,
  SelectModifierNode,
  sql,
} from 'kysely';
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

/** What stands in a query for a value that comes when it is asked. */
class Blank {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A blank for each value. */
export type Blanks<Values> = { readonly [Name in keyof Values]: RawBuilder<Values[Name]> };

/**
 * A query that is asked all the time while a batch runs: Kysely writes its text once, and a database plans it once on each
 * connection (see `prepared.ts`).
 *
 * `build` is given a blank for each value, and must not look at it. The text is that of the first database that asks, and
 * does for all: they are opened with the same plugins. Writing the texts anew took 3 % of the time of a service at
 * full speed with one subscriber.
 */
export function frequent<Values extends object, Row>(
  name: string,
  build: (db: Db, blanks: Blanks<Values>) => Expression<Row>,
): (db: Db, values: Values) => Promise<Row[]> {
  const blanks = new Proxy({} as Blanks<Values>, { get: (_, blank) => sql`${new Blank(String(blank))}` });
  let compiled: CompiledQuery<Row> | undefined;
  return async (db, values) => {
    compiled ??= sql<Row>`${sql.raw(`/* ${name} */`)} ${build(db, blanks)}`.compile(db);
    const parameters = compiled.parameters.map((value) =>
      value instanceof Blank ? Reflect.get(values, value.name) : value,
    );
    const { rows } = await db.executeQuery<Row>({ ...compiled, parameters });
    return rows;
  };
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
