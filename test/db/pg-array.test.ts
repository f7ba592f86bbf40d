/** What is sent as an array in binary form arrives as it was. */
import { type RawBuilder, sql } from 'kysely';
import { expect, test } from 'vitest';
import { boolArray, doubleArray, intArray, jsonArray, sparse, textArray } from '../../src/store/pg-array.ts';
import { describeDatabases } from '../support/databases.ts';

describeDatabases('arrays', (open) => {
  test('come back', async () => {
    const db = await open();
    const sent = async (array: RawBuilder<unknown>): Promise<unknown> => {
      const { rows } = await sql<{ list: unknown }>`select to_json(${array}) as list`.execute(db);
      return rows[0]?.list;
    };
    const numbers = [0, -1, 2_147_483_647, null, -2_147_483_648];
    expect(await sent(sql`${intArray(numbers)}::int[]`)).toEqual(numbers);
    const instants = [1_796_000_000_123, 0.25, null, -1e300];
    expect(await sent(sql`${doubleArray(instants)}::float8[]`)).toEqual(instants);
    expect(await sent(sql`${boolArray([true, null, false])}::bool[]`)).toEqual([true, null, false]);
    const texts = ['', 'a', '{"x",NULL,\\}', null, 'NULL', 'ä€😀'.repeat(1_000), 'z'.repeat(100_000), '\u007f\n'];
    expect(await sent(sql`${textArray(texts)}::text[]`)).toEqual(texts);
    // Each takes more bytes than its length says, so what was made ready does not do.
    const wide = Array.from({ length: 100 }, (_, n) => '語'.repeat(n));
    expect(await sent(sql`${textArray(wide)}::text[]`)).toEqual(wide);
    const documents = ['{"b":1,"a":[null,"\\u00e4,\\"{}"]}', 'null', '"x"', null];
    const { rows } = await sql<{ text: string | null }>`
      select u.j::text as text from unnest(${jsonArray(documents)}::json[]) as u(j)`.execute(db);
    expect(rows.map(({ text }) => text)).toEqual(documents);
    for (const nothing of [intArray([]), intArray(sparse([null, undefined]))]) {
      expect(await sent(sql`${nothing}::int[]`)).toEqual([]);
    }
    expect(await sent(sql`${textArray([])}::text[]`)).toEqual([]);
    // What the database cannot hold is refused with the states that tell a flush to look for the guilty item.
    await expect(sent(sql`${textArray(['a\u0000'])}::text[]`)).rejects.toMatchObject({ code: '22021' });
    await expect(sent(sql`${jsonArray(['{'])}::json[]`)).rejects.toMatchObject({ code: '22P02' });
  });
});
