/** What must hold of an execution that ended, whatever happened to it on the way. */
import { isFinalExecution, isOpenItem } from '../../src/domain/states.ts';
import type { Db } from '../../src/store/database.ts';
import { checkWhole } from './engine-harness.ts';

/** Throws unless every item is final, its rows agree with it, and the execution's counts are a recount of them. */
export async function checkEnded(db: Db, id: string): Promise<void> {
  await checkWhole(db, id);
  const execution = await db.selectFrom('batchExecution').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const items = await db.selectFrom('everyItem').selectAll().where('executionId', '=', id).execute();
  const results = await db.selectFrom('everyResult').selectAll().where('executionId', '=', id).execute();
  const failures = await db.selectFrom('itemFailure').selectAll().where('executionId', '=', id).execute();
  const problems: string[] = [];
  if (!isFinalExecution(execution.status)) problems.push(`it is ${execution.status}`);
  if (execution.retryCursor !== null || execution.pauseReason !== null)
    problems.push('it ended with something left to do');
  const open = items.filter((item) => isOpenItem(item.status));
  if (open.length > 0) problems.push(`${open.length} items are open`);
  const ordinals = items.map((item) => item.ordinal).sort((a, b) => a - b);
  if (ordinals.some((ordinal, index) => ordinal !== index)) problems.push('ordinals have gaps');
  const failedNow = new Set(failures.filter((row) => row.round <= execution.round).map((row) => row.ordinal));
  for (const item of items) {
    if (item.status === 'FAILED' && !failedNow.has(item.ordinal))
      problems.push(`item ${item.ordinal} failed without a failure`);
    // A result of each earlier tier, or it could not be in the one it is in.
    for (let tier = 0; tier < item.tier; tier += 1) {
      if (!results.some((row) => row.ordinal === item.ordinal && row.tier === tier))
        problems.push(`item ${item.ordinal} skipped tier ${tier}`);
    }
  }
  const once = new Set(results.map((row) => `${row.ordinal}/${row.tier}/${row.round}`));
  if (once.size !== results.length) problems.push('a result was recorded twice');
  if (problems.length > 0) throw new Error(problems.slice(0, 20).join('; '));
}
