/** Raw statements on the embedded database, which are prepared by name. */
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { freshEmbedded } from '../support/databases.ts';

test('a statement that failed runs again, and so does one whose table was not there', async () => {
  const { db, close } = await freshEmbedded();
  onTestFinished(close);
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
  await expect(waiting).rejects.toThrow(/^PGlite is clos/);
  await Promise.all(others);
});
