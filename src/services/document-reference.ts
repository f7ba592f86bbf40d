/** Checks documents that are given by where they are: a URL, or an element of the project. */
import { nodeTypeOf } from '../domain/ids.ts';
import { isStorableText } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { DocumentRef } from '../domain/model.ts';
import type { IssueList, Loc } from './issue-list.ts';

/** A document of an element that is stored elsewhere in the project. */
export interface DocumentRefInput {
  readonly datasourceId: string;
  readonly elementId: string;
  readonly document?: number | null | undefined;
}

/** Why a text cannot be the URL of a document; null when it can. Whether it may be called is asked when it is. */
export function urlProblem(text: string): string | null {
  if (text.length > LIMITS.urlLength) return `has more than ${LIMITS.urlLength} characters`;
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'is no https URL';
  return url.username === '' && url.password === '' ? null : 'must not carry a user name or password';
}

/** The path of a URL, whose end may tell a media type. */
export const pathOf = (url: string): string => new URL(url).pathname;

/** The reference, or null with its problems noted. Whether the element is there is asked when the item runs. */
export function checkReference(
  { datasourceId, elementId, document }: DocumentRefInput,
  loc: Loc,
  issues: IssueList,
): DocumentRef | null {
  const place = document ?? 0;
  const last = LIMITS.documentsPerItem - 1;
  if (nodeTypeOf(datasourceId) !== 'Datasource') {
    issues.add([...loc, 'datasourceId'], 'not_found', 'is no id of a datasource');
  } else if (elementId === '' || !isStorableText(elementId) || Buffer.byteLength(elementId) > LIMITS.elementIdBytes) {
    issues.add([...loc, 'elementId'], 'not_found', 'is no id of an element');
  } else if (!Number.isInteger(place) || place < 0 || place > last) {
    issues.add([...loc, 'document'], 'too_big', `must be from 0 to ${last}`, { minimum: 0, maximum: last });
  } else {
    return { datasourceId, elementId, document: place };
  }
  return null;
}
