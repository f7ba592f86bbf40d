import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { addDataElements } from '../../src/services/add-data-elements.ts';
import { removeDataElements } from '../../src/services/remove-data-elements.ts';
import type { Db } from '../../src/store/database.ts';
import { lockDatasource } from '../../src/store/datasources.ts';
import { appendStoredItems } from '../../src/store/freeze-stored.ts';
import { inputAt, inputsBetween, readInputs } from '../../src/store/item-inputs.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecution, makeProject, type ProjectRows } from '../support/rows.ts';
import { type Seeded, seeded } from '../support/seeded.ts';
import { until } from '../support/until.ts';

const now = () => new Date();

/** What an input has of its element. */
interface Seen {
  readonly elementId: string;
  readonly filename: string;
  readonly metadata: unknown;
  readonly contentHash: string | null;
}

describeDatabases('inputs that are not copied', (open, kind) => {
  let db: Db;
  let project: ProjectRows;
  beforeAll(async () => {
    db = await open();
    project = await makeProject(db);
  });

  const unfrozen = async (): Promise<{ id: string; datasourceId: string }> => {
    const id = await makeExecution(db, project.projectId, { status: 'PREPARING' });
    return { id, datasourceId: await datasourceOf(id) };
  };
  /** An execution of the same elements. */
  const readerOf = async (inputDatasourceId: string): Promise<string> => {
    const { id } = await unfrozen();
    await db.updateTable('batchExecution').set({ inputDatasourceId }).where('id', '=', id).execute();
    return id;
  };
  const datasourceOf = async (id: string): Promise<string> =>
    (await db.selectFrom('batchExecution').select('inputDatasourceId').where('id', '=', id).executeTakeFirstOrThrow())
      .inputDatasourceId;
  const add = (datasourceId: string, names: readonly string[], version = 0) =>
    addDataElements({ db, now }, project.actor, {
      datasourceId,
      elements: names.map((name) => ({
        ...{ dataElementId: name, filename: `${name}-${version}.txt`, mediaType: 'text/plain', metadata: { version } },
        text: `${name} ${version}`,
      })),
    });
  const remove = (datasourceId: string, elementIds: string[]) =>
    removeDataElements({ db }, project.actor, { datasourceId, elementIds });
  /** Freezes the next elements; how many were found. */
  const freeze = async (id: string, datasourceId: string, limit: number, elementIds?: readonly string[]) => {
    const { total, freezeCursor: cursor } = await db
      .selectFrom('batchExecution')
      .select(['total', 'freezeCursor'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return await appendStoredItems(db, id, { from: { total, cursor }, datasourceId, elementIds, limit }, now());
  };
  const inputsOf = (id: string) =>
    db
      .selectFrom('everyInput')
      .select(['ordinal', 'elementId', 'filename', 'metadata', 'contentHash'])
      .where('executionId', '=', id)
      .orderBy('ordinal')
      .execute();
  const copiesOf = async (id: string) =>
    (await db.selectFrom('batchItemInput').select('ordinal').where('executionId', '=', id).execute())
      .map(({ ordinal }) => ordinal)
      .toSorted((a, b) => a - b);
  const spansOf = (id: string) =>
    db
      .selectFrom('inputSpan')
      .select(['first', 'last', 'copied'])
      .where('executionId', '=', id)
      .orderBy('first')
      .execute();
  const names = (from: number, length: number) => Array.from({ length }, (_, index) => `e${from + index}`);

  test('are where the elements are, but for those few that stand alone', async () => {
    const { id, datasourceId } = await unfrozen();
    await add(datasourceId, names(0, 700));
    await remove(datasourceId, ['e300', 'e304']);
    expect(await freeze(id, datasourceId, 1_000)).toMatchObject({ found: 698, total: 698 });
    expect(await spansOf(id)).toEqual([
      { first: 0, last: 299, copied: false },
      { first: 303, last: 697, copied: false },
    ]);
    expect(await copiesOf(id)).toEqual([300, 301, 302]);
    const ids = (await inputsOf(id)).map(({ elementId }) => elementId);
    expect(ids).toEqual(names(0, 700).filter((name) => name !== 'e300' && name !== 'e304'));
  });

  test('stay as they were when elements are changed, changed again, deleted and added again', async () => {
    const { id, datasourceId } = await unfrozen();
    await add(datasourceId, names(0, 230));
    await freeze(id, datasourceId, 200);
    const before = await inputsOf(id);
    await add(datasourceId, names(0, 230));
    expect(await copiesOf(id)).toEqual([]);
    await add(datasourceId, ['e3', 'e4', 'e210'], 1);
    await add(datasourceId, ['e4', 'e5'], 2);
    await remove(datasourceId, ['e4', 'e6', 'e199']);
    await add(datasourceId, ['e4', 'e6'], 3);
    expect(await inputsOf(id)).toEqual(before);
    expect(await copiesOf(id)).toEqual([3, 4, 5, 6, 199]);
    // What was not frozen yet is taken as it is by then, and what came back is behind it.
    await freeze(id, datasourceId, 100);
    const rest = (await inputsOf(id)).slice(200);
    expect(rest.map(({ elementId }) => elementId)).toEqual([...names(200, 30), 'e4', 'e6']);
    expect(rest[10]).toMatchObject({ elementId: 'e210', filename: 'e210-1.txt', metadata: { version: 1 } });
    expect(await readInputs(db, id, [3, 6, 210])).toHaveLength(3);
  });

  test('of deleted executions are left to the sweep', async () => {
    const { id, datasourceId } = await unfrozen();
    const reader = await readerOf(datasourceId);
    await add(datasourceId, names(0, 300));
    for (const one of [id, reader]) await freeze(one, datasourceId, 1_000);
    await db.deleteFrom('batchExecution').where('id', '=', id).execute();
    await add(datasourceId, ['e1'], 1);
    await remove(datasourceId, ['e2']);
    expect([await spansOf(id), await copiesOf(id)]).toEqual([[{ first: 0, last: 299, copied: false }], []]);
    expect([await spansOf(reader), await copiesOf(reader)]).toEqual([[{ first: 0, last: 299, copied: true }], [1, 2]]);
  });

  test.each([1, 2, 3])('read alike in all ways after whatever happens (seed %i)', async (seed) => {
    const random = seeded(seed);
    const { id, datasourceId } = await unfrozen();
    const other = await unfrozen();
    const reader = await readerOf(datasourceId);
    const frozen = new Map<string, Seen[]>([id, reader].map((one) => [one, []]));
    let made = 0;
    for (let step = 0; step < 40; step += 1) {
      const some = Array.from({ length: random.between(1, 8) }, () => `e${random.between(0, Math.max(made - 1, 0))}`);
      const ids = [...new Set(some)];
      const what = random.between(0, 5);
      if (what <= 1) {
        const more = random.between(1, 500);
        await add(datasourceId, names(made, more));
        made += more;
      } else if (what === 2) await add(other.datasourceId, [`other-${step}`]);
      else if (what === 3 && made > 0) await add(datasourceId, ids, step);
      else if (what === 4 && made > 0) await remove(datasourceId, ids);
      else await freezeAndNote(random);
      for (const one of frozen.keys()) await expectAlike(one, random);
    }

    async function freezeAndNote(source: Seeded): Promise<void> {
      const one = source.pick([...frozen.keys()]);
      const known = frozen.get(one) ?? [];
      const limit = source.between(1, 600);
      const { freezeCursor } = await db
        .selectFrom('batchExecution')
        .select('freezeCursor')
        .where('id', '=', one)
        .executeTakeFirstOrThrow();
      if (freezeCursor === null && known.length > 0) return;
      const next = await db
        .selectFrom('dataElement')
        .select(['id as elementId', 'filename', 'metadata', 'contentHash'])
        .where('datasourceId', '=', datasourceId)
        .where('position', '>', Number(freezeCursor ?? -1))
        .orderBy('position')
        .limit(limit)
        .execute();
      expect((await freeze(one, datasourceId, limit)).found).toBe(next.length);
      known.push(...next);
    }

    async function expectAlike(one: string, source: Seeded): Promise<void> {
      const known = (frozen.get(one) ?? []).map((seen, ordinal) => ({ ordinal, ...seen }));
      expect(await inputsOf(one)).toEqual(known);
      const from = source.between(-2, known.length);
      const to = source.between(from, known.length + 2);
      const columns = ['ordinal', 'elementId', 'filename', 'metadata', 'contentHash'] as const;
      const within = db
        .selectFrom(inputsBetween(one, from, to).as('n'))
        .select(columns)
        .orderBy('ordinal');
      expect(await within.execute()).toEqual(known.slice(Math.max(from, 0), Math.max(to, 0)));
      const at = db.selectFrom(inputAt(one, from).as('n')).select(columns);
      expect(await at.execute()).toEqual(from < 0 ? [] : known.slice(from, from + 1));
      const asked = known.map(({ ordinal }) => ordinal).filter(() => source.chance(0.3));
      const read = await readInputs(db, one, asked);
      expect(read.map(({ ordinal }) => ordinal).toSorted((a, b) => a - b)).toEqual(asked);
    }
  });

  test.runIf(kind === 'postgres')('wait for whoever changes elements, and are waited for', async () => {
    const { id, datasourceId } = await unfrozen();
    await add(datasourceId, names(0, 240));
    const [locked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const writer = db.transaction().execute(async (tx) => {
      await lockDatasource(tx, project.projectId, datasourceId);
      locked.resolve();
      await go.promise;
      await tx.deleteFrom('dataElement').where('datasourceId', '=', datasourceId).where('id', '=', 'e7').execute();
    });
    await locked.promise;
    const frozen = freeze(id, datasourceId, 1_000);
    await until(async () => (await waitingFor('holdElements')) === 1);
    go.resolve();
    await writer;
    // It sees what was done while it waited.
    expect(await frozen).toMatchObject({ found: 239, total: 239 });
    expect((await inputsOf(id)).map(({ elementId }) => elementId)).toEqual(names(0, 240).filter((one) => one !== 'e7'));

    const second = await unfrozen();
    await add(second.datasourceId, names(0, 240));
    const holder = Promise.withResolvers<void>();
    const holds = Promise.withResolvers<void>();
    // The freeze has the datasource and waits for its execution; the removal comes meanwhile.
    const blocker = db.transaction().execute(async (tx) => {
      await tx.selectFrom('batchExecution').select('id').where('id', '=', second.id).forNoKeyUpdate().execute();
      holds.resolve();
      await holder.promise;
    });
    await holds.promise;
    const freezing = freeze(second.id, second.datasourceId, 1_000);
    await until(async () => (await waitingFor('appendStoredItems')) === 1);
    const removal = remove(second.datasourceId, ['e5']);
    await until(async () => (await waitingFor('lockDatasource')) === 1);
    holder.resolve();
    await Promise.all([blocker, freezing, removal]);
    expect((await inputsOf(second.id)).map(({ elementId }) => elementId)).toEqual(names(0, 240));
    expect(await copiesOf(second.id)).toEqual([5]);
  });

  async function waitingFor(statement: string): Promise<number> {
    const { rows } = await sql<{ n: number }>`select count(*)::int as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
        and query like ${`%${statement}%`} and query not like '%pg_stat_activity%'`.execute(db);
    return rows[0]?.n ?? 0;
  }
});
