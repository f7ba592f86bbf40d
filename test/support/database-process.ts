/**
 * A process that opens the embedded database of the folder in its first argument, and then commits a customer
 * after another until it is killed. It prints `open` and then each slug, only once that is committed.
 */
import { newId } from '../../src/domain/ids.ts';
import { openDatabase } from '../../src/store/database.ts';

const { db } = await openDatabase({
  databaseUrl: null,
  dataDir: process.argv[2] ?? '',
  onError: (error) => console.error(error),
});
console.log('open');
for (let no = 0; process.argv[3] === 'commit'; no += 1) {
  await db
    .insertInto('customer')
    .values({ id: newId('Customer'), slug: `c${no}`, name: 'A customer' })
    .execute();
  console.log(`c${no}`);
}
// An open lock alone does not keep a process alive.
setInterval(() => undefined, 60_000);
