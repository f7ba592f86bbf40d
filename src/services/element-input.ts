/** Checks elements that come with a call, inline or for a stored datasource, and makes rows of them. */
import { measureContent, packedBase64 } from '../domain/content.ts';
import { isStorableText, jsonProblemMessage, toJsonText } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { isMediaType, mediaTypeOf } from '../domain/media-type.ts';
import type { DocumentName, StoredDocument } from '../domain/model.ts';
import type { NewElement } from '../store/data-elements.ts';
import { checkReference, type DocumentRefInput, pathOf, urlProblem } from './document-reference.ts';
import type { IssueList, Loc } from './issue-list.ts';

/** The content of a document: exactly one of the five. */
export interface ContentInput {
  readonly text?: string | null | undefined;
  readonly base64?: string | null | undefined;
  readonly json?: unknown;
  readonly url?: string | null | undefined;
  readonly element?: DocumentRefInput | null | undefined;
}

export interface DocumentInput extends ContentInput {
  readonly filename?: string | null | undefined;
  readonly mediaType?: string | null | undefined;
}

/** One element: its content directly, or several documents. */
export interface ElementInput extends ContentInput {
  readonly dataElementId?: string | null | undefined;
  readonly filename: string;
  readonly mediaType?: string | null | undefined;
  readonly documents?: readonly DocumentInput[] | null | undefined;
  readonly metadata?: unknown;
}

const FILENAME_LENGTH = 1_000;

/** The element id of an inline item that has none of its own. */
export const defaultItemId = (index: number): string => `item-${index}`;

/**
 * The rows of elements in their order, as far as they have no problem.
 *
 * `defaultId` names an element that has no id of its own. Two elements with one id are a problem of the later.
 */
export function checkElements(
  inputs: readonly ElementInput[],
  loc: Loc,
  issues: IssueList,
  defaultId: (input: ElementInput, index: number) => string,
): readonly NewElement[] {
  if (inputs.length > LIMITS.inlineItems) {
    issues.add(loc, 'too_big', `has ${inputs.length} entries; at most ${LIMITS.inlineItems} fit in one call`, {
      maximum: LIMITS.inlineItems,
    });
    return [];
  }
  const firstUse = new Map<string, number>();
  return inputs.flatMap((input, index) => {
    const at = [...loc, String(index)];
    const id = input.dataElementId ?? defaultId(input, index);
    const first = firstUse.get(id);
    if (first === undefined) firstUse.set(id, index);
    else {
      const idLoc = input.dataElementId == null ? at : [...at, 'dataElementId'];
      issues.add(idLoc, 'duplicate', `has the same id as entry ${first}: ${JSON.stringify(id.slice(0, 80))}`, {
        first,
      });
    }
    return checkElement(input, id, at, issues) ?? [];
  });
}

/** The row of one element; null with its problems noted, or when there are others in the list already. */
export function checkElement(input: ElementInput, id: string, loc: Loc, issues: IssueList): NewElement | null {
  checkId(id, input.dataElementId == null ? [...loc, 'filename'] : [...loc, 'dataElementId'], issues);
  checkFilename(input.filename, [...loc, 'filename'], issues);
  checkMediaType(input.mediaType, [...loc, 'mediaType'], issues);
  const metadata = checkMetadata(input.metadata, [...loc, 'metadata'], issues);
  const documents = checkDocuments(input, loc, issues);
  const [first] = documents;
  if (first === undefined || !issues.isEmpty) return null;
  const { sizeBytes, contentHash } = measureContent(documents);
  if (sizeBytes > LIMITS.elementBytes) {
    issues.add(loc, 'too_large', `has more than ${LIMITS.elementBytes} bytes`, { maximum: LIMITS.elementBytes });
    return null;
  }
  const { filename } = input;
  const mediaType = input.mediaType ?? first.mediaType;
  const isPlain = documents.length === 1 && first.filename === filename && first.mediaType === mediaType;
  const isHere = documents.every(({ remote }) => remote === undefined);
  const names = isPlain && isHere ? null : documents.map(nameOf);
  return {
    ...{ id, filename, mediaType, metadata, sizeBytes, contentHash },
    documents: JSON.stringify(documents),
    documentNames: names === null ? null : JSON.stringify(names),
  };
}

/** Notes that a stored element stands for another: they could stand for each other in a circle. Items of executions may. */
export function refuseReferences({ element, documents }: ElementInput, loc: Loc, issues: IssueList): void {
  const msg = 'stands for another element, which only items of executions may';
  if (element != null) issues.add([...loc, 'element'], 'not_allowed', msg);
  for (const [place, document] of (documents ?? []).entries())
    if (document.element != null) issues.add([...loc, 'documents', String(place), 'element'], 'not_allowed', msg);
}

const nameOf = ({ filename, mediaType, remote }: StoredDocument): DocumentName => ({
  ...{ filename, mediaType },
  ...(remote !== undefined && { remote }),
});

function checkDocuments(input: ElementInput, loc: Loc, issues: IssueList): readonly StoredDocument[] {
  const { documents } = input;
  if (documents == null) return checkContent(input, input, loc, issues) ?? [];
  if (kindsOf(input).length > 0) issues.add(loc, 'conflict', 'has both documents and content of its own');
  if (documents.length === 0 || documents.length > LIMITS.documentsPerItem) {
    const range = { minimum: 1, maximum: LIMITS.documentsPerItem };
    issues.add([...loc, 'documents'], 'length', `must have 1 to ${LIMITS.documentsPerItem} entries`, range);
    return [];
  }
  return documents.flatMap((document, index) => {
    const at = [...loc, 'documents', String(index)];
    if (document.filename != null) checkFilename(document.filename, [...at, 'filename'], issues);
    checkMediaType(document.mediaType, [...at, 'mediaType'], issues);
    return checkContent(document, input, at, issues) ?? [];
  });
}

const KINDS = ['text', 'base64', 'json', 'url', 'element'] as const;
const CHOICE = `give one of ${KINDS.join(', ')}`;
const kindsOf = (content: ContentInput) =>
  KINDS.filter((kind) => content[kind] !== undefined && content[kind] !== null);

function checkContent(
  content: DocumentInput,
  { filename: ownName }: ElementInput,
  loc: Loc,
  issues: IssueList,
): StoredDocument[] | null {
  const [kind, second] = kindsOf(content);
  const filename = content.filename ?? ownName;
  if (kind === undefined) {
    issues.add(loc, 'missing', `has no content: ${CHOICE}`);
    return null;
  }
  if (second !== undefined) {
    issues.add(loc, 'conflict', `has both ${kind} and ${second}: ${CHOICE}`);
    return null;
  }
  const typed = (fallback: string) => ({ filename, mediaType: content.mediaType ?? mediaTypeOf(filename, fallback) });
  const { text, base64, json, url, element } = content;
  const remote = content.mediaType == null ? ('UNTYPED' as const) : ('TYPED' as const);
  if (typeof url === 'string') {
    const problem = urlProblem(url);
    if (problem === null) return [{ ...typed(mediaTypeOf(pathOf(url))), url, remote }];
    issues.add([...loc, 'url'], 'url', problem);
    return null;
  }
  if (element != null) {
    const reference = checkReference(element, [...loc, 'element'], issues);
    return reference === null ? null : [{ ...typed(mediaTypeOf(element.elementId)), element: reference, remote }];
  }
  if (typeof text === 'string') {
    if (isStorableText(text)) return [{ ...typed('text/plain'), text }];
    issues.add(
      [...loc, 'text'],
      'not_storable',
      'contains U+0000 or half of a surrogate pair; send such content as base64',
    );
    return null;
  }
  if (typeof base64 === 'string') {
    const packed = packedBase64(base64);
    if (packed !== null) return [{ ...typed('application/octet-stream'), base64: packed }];
    issues.add([...loc, 'base64'], 'base64', 'is not base64 of the standard alphabet with padding');
    return null;
  }
  const stored = toJsonText(json, LIMITS.elementBytes, LIMITS.jsonDepth);
  if (stored.ok) return [{ ...typed('application/json'), json }];
  issues.add([...loc, 'json'], stored.problem, jsonProblemMessage(stored.problem));
  return null;
}

function checkId(id: string, loc: Loc, issues: IssueList): void {
  if (id === '') issues.add(loc, 'too_small', 'is empty');
  else if (!isStorableText(id)) issues.add(loc, 'not_storable', 'contains U+0000 or half of a surrogate pair');
  else if (Buffer.byteLength(id) > LIMITS.elementIdBytes) {
    issues.add(loc, 'too_big', `makes an id of more than ${LIMITS.elementIdBytes} bytes`, {
      maximum: LIMITS.elementIdBytes,
    });
  }
}

function checkFilename(filename: string, loc: Loc, issues: IssueList): void {
  if (filename.trim() === '') issues.add(loc, 'too_small', 'is empty');
  else if (!isStorableText(filename)) issues.add(loc, 'not_storable', 'contains U+0000 or half of a surrogate pair');
  else if (filename.length > FILENAME_LENGTH) {
    issues.add(loc, 'too_big', `has more than ${FILENAME_LENGTH} characters`, { maximum: FILENAME_LENGTH });
  }
}

function checkMediaType(mediaType: string | null | undefined, loc: Loc, issues: IssueList): void {
  if (mediaType != null && !(isMediaType(mediaType) && isStorableText(mediaType)))
    issues.add(loc, 'media_type', 'is not a media type such as text/markdown');
}

/** The metadata as JSON text; null where there is none. */
function checkMetadata(metadata: unknown, loc: Loc, issues: IssueList): string | null {
  if (metadata === undefined || metadata === null) return null;
  const json = toJsonText(metadata, LIMITS.metadataBytes, LIMITS.jsonDepth);
  if (json.ok) return json.text;
  issues.add(loc, json.problem, jsonProblemMessage(json.problem));
  return null;
}
