/** The embedded database: a session of its own thread, which the driver takes for a server. */
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { ServiceUnavailableError } from '../../src/domain/service-unavailable.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { startThread, takeThread } from '../../src/store/embedded-thread.ts';
import { dataFolder } from '../support/data-folder.ts';
import { freshEmbedded } from '../support/databases.ts';

async function fresh() {
  const { db, close } = await freshEmbedded();
  onTestFinished(close);
  return db;
}

test('a statement that failed runs again, and so does one whose table was not there', async () => {
  const db = await fresh();
  const divide = (by: unknown) => sql<{ n: number }>`/* divide */ select 10 / ${by}::int as n`.execute(db);
  expect((await divide(2)).rows).toEqual([{ n: 5 }]);
  await expect(divide(0)).rejects.toMatchObject({ code: '22012' });
  await expect(divide('x')).rejects.toThrow(/integer|int4/);
  expect((await divide(5)).rows).toEqual([{ n: 2 }]);

  const read = () => sql<{ a: number }>`/* read */ select a from later where a > ${0}`.execute(db);
  await expect(read()).rejects.toMatchObject({ code: '42P01' });
  await sql`create table later (a int)`.execute(db);
  await sql`insert into later values (1)`.execute(db);
  expect((await read()).rows).toEqual([{ a: 1 }]);
});

test('statements that are sent at once are answered each with its own', async () => {
  const db = await fresh();
  const ask = async (n: number) => {
    // Some fail, some are prepared, some are large.
    if (n % 7 === 0)
      return await sql`select 1 / 0`.execute(db).catch((error: unknown) => Reflect.get(Object(error), 'code'));
    const named = sql<{ n: number; text: string }>`/* own */ select ${n}::int as n, repeat('x', ${n * 1_000}) as text`;
    const [row] = (await named.execute(db)).rows;
    return [row?.n, row?.text.length];
  };
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => ask(n)));
  expect(answers).toEqual(Array.from({ length: 50 }, (_, n) => (n % 7 === 0 ? '22012' : [n, n * 1_000])));
});

test('a transaction has the session to itself, from its begin to its end', async () => {
  const db = await fresh();
  await sql`create table note (text text)`.execute(db);
  const write = (to: typeof db, text: string) => sql`insert into note values (${text})`.execute(to);
  const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const undone = db.transaction().execute(async (tx) => {
    await write(tx, 'undone');
    begun.resolve();
    await held.promise;
    throw new Error('no');
  });
  await begun.promise;
  // None of these is in the transaction that is open as they are asked.
  const beside = [
    write(db, 'beside'),
    db.transaction().execute((tx) => write(tx, 'second')),
    write(db, 'after'),
    db.transaction().execute(async (tx) => {
      await write(tx, 'undone, too');
      await sql`select 1 / 0`.execute(tx);
    }),
    write(db, 'last'),
  ];
  held.resolve();
  await expect(undone).rejects.toThrow('no');
  expect((await Promise.allSettled(beside)).map(({ status }) => status)).toEqual([
    ...['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  ]);
  const { rows } = await sql<{ text: string }>`select text from note`.execute(db);
  expect(rows.map(({ text }) => text)).toEqual(['beside', 'second', 'after', 'last']);
});

test('the thread that asks goes on while the database works', async () => {
  const db = await fresh();
  let turns = 0;
  let timer = setImmediate(next);
  function next() {
    turns += 1;
    timer = setImmediate(next);
  }
  await sql`select count(*) from generate_series(1, 1000000)`.execute(db);
  clearImmediate(timer);
  expect(turns).toBeGreaterThan(100);
});

test('a statement that waited while the database was closed is refused', async () => {
  const { db, close } = await freshEmbedded();
  const ask = () => sql`/* ask */ select 1`.execute(db);
  await ask();
  const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const transaction = db.transaction().execute(async () => {
    begun.resolve();
    await held.promise;
  });
  await begun.promise;
  const [waiting, ...others] = [ask(), transaction, close()];
  held.resolve();
  await expect(waiting).rejects.toThrow(/closed|destroyed/);
  await Promise.all(others);
});

test('a database that ends by itself is not available from then on, and that is told', async () => {
  const [told, thread, folder] = [[] as unknown[], takeThread(), dataFolder()];
  const { db, close } = await openEmbedded(folder, (error) => told.push(error), thread);
  const working = sql`select count(*) from generate_series(1, 10000000)`.execute(db);
  const waiting = sql`select 1`.execute(db);
  const failures = [working, waiting].map((asked) => expect(asked).rejects.toThrow(ServiceUnavailableError));
  await thread.end();
  await Promise.all(failures);
  await expect(sql`select 1`.execute(db)).rejects.toThrow(ServiceUnavailableError);
  expect(told.map(String)).toContainEqual(expect.stringContaining('the embedded database failed'));
  await expect(close()).rejects.toThrow('gone');
  // The folder is free.
  const { db: again, close: closeAgain } = await openEmbedded(folder, () => undefined);
  await sql`select 1`.execute(again);
  await closeAgain();
});

test('a thread that was started early is given out once, and refuses all when it is over', async () => {
  startThread();
  const [early, other] = [takeThread(), takeThread()];
  expect(other).not.toBe(early);
  await Promise.all([early.end(), other.end()]);
  await expect(early.open({})).rejects.toThrow('gone');
});
