/**
 * Statements that the embedded database parses and plans once.
 *
 * PGlite sends six messages for each query and keeps nothing of it: a quarter of the time that a batch spends in it
 * was parsing, planning and those messages (measured with 50,000 items).
 */
import { type PGlite, parse, protocol, type Results } from '@electric-sql/pglite';
import type { PGlite as KyselyPGlite, PGliteQueryOptions } from 'kysely';
import { statementName } from './prepared.ts';

/** What the database said of a statement when it was prepared. */
interface Prepared {
  readonly parameterTypes: readonly number[];
  /** The message that describes its rows: the first of an answer. */
  readonly rows: Messages;
}

type Messages = Awaited<ReturnType<PGlite['execProtocolStream']>>;

const { serialize } = protocol;

/**
 * The database with raw statements prepared by name, as `prepareRawStatements` does on a server; all others, and those
 * in a transaction, go as they did.
 */
export function preparedEmbedded(pglite: PGlite): KyselyPGlite {
  const prepared = new Map<string, Prepared>();
  const send = (...parts: readonly Uint8Array[]) =>
    pglite.execProtocolStream(Buffer.concat([...parts, serialize.sync()]), { syncToFs: false });

  async function prepare(name: string, text: string): Promise<Prepared> {
    const messages = await send(serialize.parse({ name, text }), serialize.describe({ type: 'S', name }));
    const known = {
      parameterTypes: parse.parseDescribeStatementResults(messages),
      rows: messages.filter((message) => message.name === 'rowDescription'),
    };
    prepared.set(name, known);
    return known;
  }

  async function run<T>(name: string, text: string, values: readonly unknown[], options?: PGliteQueryOptions) {
    const { parameterTypes, rows } = prepared.get(name) ?? (await prepare(name, text));
    const texts = values.map((value, index) => toText(value, pglite.serializers[parameterTypes[index] ?? 0]));
    const messages = await send(serialize.bind({ statement: name, values: texts }), serialize.execute());
    await pglite.syncToFs();
    const [result] = parse.parseResults([...rows, ...messages], pglite.parsers, options);
    // What it is of is said by the statement.
    return result as Results<T>;
  }

  return {
    get closed() {
      return pglite.closed;
    },
    get ready() {
      return pglite.ready;
    },
    waitReady: pglite.waitReady,
    close: () => pglite.close(),
    transaction: (use) => pglite.transaction(use),
    query: async <T>(text: string, values: unknown[] = [], options?: PGliteQueryOptions) => {
      const name = statementName(text);
      if (name === undefined) return await pglite.query<T>(text, values, options);
      return await pglite._runExclusiveTransaction(() =>
        pglite._runExclusiveQuery(async () => {
          // Here, because it may have been closed while this waited: then nothing is there to send it to.
          await pglite._checkReady();
          return await run<T>(name, text, values, options);
        }),
      );
    },
  };
}

function toText(value: unknown, serializer: ((value: unknown) => string) | undefined): string | null {
  if (value === null || value === undefined) return null;
  return serializer === undefined ? String(value) : serializer(value);
}
