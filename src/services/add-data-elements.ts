import type { Actor, DataElement, Datasource } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { findElements, upsertElements } from '../store/data-elements.ts';
import { lockDatasource } from '../store/datasources.ts';
import { checkElements, type ElementInput, refuseReferences } from './element-input.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/** Which elements to store where. */
export interface AddDataElementsInput {
  readonly datasourceId: string;
  readonly elements: readonly ElementInput[];
}

export interface AddDataElementsAnswer {
  readonly datasource: Datasource;
  /** Elements that are new, in the order of the input. */
  readonly added: readonly DataElement[];
  /** Elements whose id was there: they keep their place and have the new content. */
  readonly updated: readonly DataElement[];
}

/**
 * Stores elements in a STORED datasource, all of them or none; one whose id is there is replaced.
 *
 * An element without an id has its filename for one. Executions whose items are frozen keep their items, and read
 * the new content if they have not read the old. Needs MEMBER; throws ValidationError, NotFoundError, or
 * InvalidStateError for a datasource of another kind.
 */
export async function addDataElements(
  deps: Pick<ServiceDeps, 'db' | 'now'>,
  actor: Actor,
  input: AddDataElementsInput,
): Promise<AddDataElementsAnswer> {
  requireRole(actor, 'MEMBER');
  const issues = new IssueList();
  const loc = ['input', 'elements'];
  const rows = checkElements(input.elements, loc, issues, ({ filename }) => filename);
  for (const [index, element] of input.elements.entries()) refuseReferences(element, [...loc, String(index)], issues);
  issues.throwIfAny();
  return await deps.db.transaction().execute(async (tx) => {
    const datasource = await lockDatasource(tx, actor.projectId, input.datasourceId);
    if (datasource === null) throw new NotFoundError('datasource', input.datasourceId);
    mustBeStored(datasource);
    const fresh = await upsertElements(tx, datasource.id, rows, deps.now());
    const stored = new Map(
      (
        await findElements(
          tx,
          datasource.id,
          rows.map(({ id }) => id),
        )
      ).map((one) => [one.id, one]),
    );
    const elements = rows.flatMap(({ id }) => stored.get(id) ?? []);
    return {
      datasource,
      added: elements.filter(({ id }) => fresh.has(id)),
      updated: elements.filter(({ id }) => !fresh.has(id)),
    };
  });
}

/** Throws InvalidStateError unless elements may be added to and removed from the datasource. */
export function mustBeStored({ kind }: Datasource): void {
  if (kind === 'STORED') return;
  const why = {
    FOLDER: 'its elements are the files of its folder',
    INLINE: 'its items came with a call and are fixed',
    RESULTS: 'they are results of executions',
    EXECUTION_RESULTS: 'they are results of an execution',
  }[kind];
  throw new InvalidStateError(`The elements of this datasource cannot be changed: ${why}.`, kind);
}
