/** Definitions that came with an execution: they go with it where nothing else is left of them. */
import type { Tx } from './database.ts';
import { named } from './statement-name.ts';

/** Notes whether a definition only came with an execution (`true`), or somebody asked for it. */
export async function setImplicit(tx: Tx, definitionId: string, implicit: boolean): Promise<void> {
  await named(tx, 'setImplicit')
    .updateTable('batchDefinition')
    .set({ implicit })
    .where('id', '=', definitionId)
    .where('implicit', '<>', implicit)
    .execute();
}
