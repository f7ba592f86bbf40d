/** Reading the elements of a datasource that the actor may see. */
import type { DataElement, Datasource } from '../domain/model.ts';
import { InvalidStateError } from '../domain/user-error.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { type FiltersInput, filtersOf, filtersSchema } from './spec-input.ts';

type Deps = Pick<ServiceDeps, 'sources'>;

/** An element, and where a page that ends with it goes on. */
export interface ListedElement {
  readonly element: DataElement;
  readonly cursor: string;
}

/**
 * Up to `limit + 1` elements that match, behind a cursor; the one too many only says that there are more.
 *
 * Throws ValidationError for filters that are no good, with places that start with `filters`, and
 * InvalidStateError when the datasource's folder is gone.
 */
export async function listDataElements(
  { sources }: Deps,
  datasource: Datasource,
  filters: FiltersInput | null | undefined,
  after: string | null,
  limit: number,
): Promise<readonly ListedElement[]> {
  const issues = new IssueList();
  const checked = issues.check(filtersSchema.nullish(), filters, ['filters']);
  issues.throwIfAny();
  const { elements, cursors } = await whileThere(() =>
    sources.page(datasource, filtersOf(checked) ?? {}, after, limit + 1),
  );
  return elements.flatMap((element, index) => {
    const cursor = cursors[index];
    return cursor === undefined ? [] : [{ element, cursor }];
  });
}

/** One element, or null when the datasource has none with this id. Throws InvalidStateError when its folder is gone. */
export async function getDataElement(
  { sources }: Deps,
  datasource: Datasource,
  id: string,
): Promise<DataElement | null> {
  return await whileThere(() => sources.find(datasource, id));
}

/** What a read answers. Throws InvalidStateError when the datasource's folder is gone. */
export async function whileThere<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    // What a datasource throws of its own has a code and a sentence for whoever reads it.
    if (error instanceof Error && 'code' in error && Reflect.get(error, 'transient') === false) {
      throw new InvalidStateError(error.message, String(error.code).toUpperCase());
    }
    throw error;
  }
}
