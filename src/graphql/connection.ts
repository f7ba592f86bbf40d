/**
 * Relay connections over keyset pages.
 *
 *     const byCreation = ordering<Customer>('customers', { instant: (row) => row.createdAt }, { text: (row) => row.id });
 *     export const CustomerConnection = connectionOf(CustomerType, 'Customer');
 *     t.connection({
 *       type: CustomerType, description: '…', complexity: pageCost,
 *       resolve: async (_root, args, ctx) => {
 *         const page = keysetArgs(args, byCreation);
 *         return toConnection(await listCustomers(ctx.deps, actorOf(ctx), page), page, byCreation);
 *       },
 *     }, CustomerConnection)
 */
import type { ObjectRef } from '@pothos/core';
import { isStorableText } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { KeyValue, Page } from '../domain/page.ts';
import { builder, type SchemaTypes } from './builder.ts';
import { badUserInput } from './top-level-errors.ts';

/** One column of a sort key: its kind, and how to read it from a row. */
export type KeyColumn<Row> =
  | { readonly instant: (row: Row) => Date }
  | { readonly text: (row: Row) => string }
  | { readonly int: (row: Row) => number };

/** The order of one list; a cursor of one order is refused by another. */
export interface Ordering<Row> {
  readonly name: string;
  readonly columns: readonly KeyColumn<Row>[];
}

/** The four paging arguments as GraphQL hands them over. */
export interface PagingArgs {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

const CURSOR_VERSION = 1;
const { default: DEFAULT_SIZE, max: MAX_SIZE } = LIMITS.pageSize;

/**
 * Names an order by the columns of its sort key; together they must be unique.
 *
 * The name goes into the cursors, so it says list, column and direction. Instants pass through a `Date`: such a
 * column must be stored with whole milliseconds, or rows that share one would be skipped or repeated.
 */
export const ordering = <Row>(name: string, ...columns: readonly KeyColumn<Row>[]): Ordering<Row> => ({
  name,
  columns,
});

/** The connection and edge types of a listed type: `<Name>Connection`, `<Name>Edge`. Made once for each type. */
export const connectionOf = <Row>(type: ObjectRef<SchemaTypes, Row, Row>, name: string) =>
  builder.connectionObject(
    { type, name: `${name}Connection`, description: `A page of a list of ${name} objects.` },
    { name: `${name}Edge`, description: `A ${name} and its place in the list.` },
  );

/** The same for a list that can be counted: `totalCount` costs a look at every entry, and is done when it is asked for. */
export const countedConnectionOf = <Row>(type: ObjectRef<SchemaTypes, Row, Row>, name: string) =>
  builder.connectionObject(
    {
      type,
      name: `${name}Connection`,
      description: `A page of a list of ${name} objects.`,
      fields: (t) => ({
        totalCount: t.int({
          complexity: 2,
          description: 'How many entries the whole list has, whatever the page; counted when it is asked for.',
          resolve: (page) => COUNTS.get(page)?.() ?? 0,
        }),
      }),
    },
    { name: `${name}Edge`, description: `A ${name} and its place in the list.` },
  );

/** How to count the list that a page is of. */
const COUNTS = new WeakMap<object, () => Promise<number>>();

/** A page of a `countedConnectionOf`, and how its whole list is counted. */
export function counted<P extends object>(page: P, count: () => Promise<number>): P {
  COUNTS.set(page, count);
  return page;
}

/** The cost of a connection field: what is selected below it counts once for each entry of the page. */
export const pageCost = (args: PagingArgs): { field: number; multiplier: number } => ({
  field: 1,
  multiplier: Math.max(1, args.first ?? args.last ?? DEFAULT_SIZE),
});

/** The page that the arguments ask for. Throws BAD_USER_INPUT for a size or cursor that is no good. */
export function keysetArgs<Row>(args: PagingArgs, order: Ordering<Row>): Page {
  const { first, after, last, before } = args;
  if (first != null && last != null) throw badUserInput('first and last cannot be given together.');
  const backward = last != null || (first == null && before != null);
  if (backward && after != null) throw badUserInput('after goes with first; use before with last.');
  if (!backward && before != null) throw badUserInput('before goes with last; use after with first.');
  const limit = (backward ? last : first) ?? DEFAULT_SIZE;
  if (limit < 0 || limit > MAX_SIZE) {
    throw badUserInput(`${backward ? 'last' : 'first'} must be from 0 to ${MAX_SIZE}, not ${limit}.`);
  }
  const cursor = backward ? before : after;
  return { limit, backward, after: cursor == null ? null : parseCursor(cursor, order, backward ? 'before' : 'after') };
}

/** What a connection field answers: the rows of `Page`'s contract as edges, in the list's own order. */
export function toConnection<Row>(rows: readonly Row[], page: Page, order: Ordering<Row>) {
  const kept = rows.slice(0, page.limit);
  const more = rows.length > page.limit;
  const edges = (page.backward ? kept.toReversed() : kept).map((node) => ({ node, cursor: cursorOf(node, order) }));
  return {
    edges,
    pageInfo: {
      // On the side one comes from, Relay allows the plain answer: a cursor was given, so something is there.
      hasNextPage: page.backward ? page.after !== null : more,
      hasPreviousPage: page.backward ? more : page.after !== null,
      startCursor: edges.at(0)?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

function cursorOf<Row>(row: Row, order: Ordering<Row>): string {
  const key = order.columns.map((column) => {
    if ('instant' in column) return column.instant(row).getTime();
    return 'text' in column ? column.text(row) : column.int(row);
  });
  return Buffer.from(JSON.stringify([CURSOR_VERSION, order.name, ...key])).toString('base64url');
}

function parseCursor<Row>(cursor: string, order: Ordering<Row>, argument: string): readonly KeyValue[] {
  const refuse = () => badUserInput(`${argument} is not a cursor of this list in this order.`);
  const parts = parseJson(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(parts) || parts[0] !== CURSOR_VERSION || parts[1] !== order.name) throw refuse();
  if (parts.length !== order.columns.length + 2) throw refuse();
  return order.columns.map((column, index) => {
    const value = keyValue(column, parts[index + 2]);
    if (value === null) throw refuse();
    return value;
  });
}

// A cursor can be forged, so each value is checked before it becomes a parameter of a statement.
function keyValue<Row>(column: KeyColumn<Row>, value: unknown): KeyValue | null {
  if ('text' in column)
    return typeof value === 'string' && value.length <= 2_000 && isStorableText(value) ? value : null;
  if (typeof value !== 'number' || !Number.isInteger(value)) return null;
  if ('int' in column) return Math.abs(value) <= 2_147_483_647 ? value : null;
  // Within the years 1 to 9999, which PostgreSQL and RFC 3339 both take.
  return value >= -62_135_596_800_000 && value <= 253_402_300_799_999 ? new Date(value) : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
