/** Reads one line of a stream of items: the JSON of an item, and where it goes. */
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import type { ValidationIssue } from '../domain/user-error.ts';
import type { NewElement } from '../store/data-elements.ts';
import type { IndexedElement } from '../store/draft-rows.ts';
import { MAX_INDEX } from './draft-items.ts';
import { checkElement, defaultItemId, refuseReferences } from './element-input.ts';
import { IssueList } from './issue-list.ts';

/** A line of a body without its end; `bytes` is null for one that is longer than an element may be. */
export interface Line {
  /** From 1, blank lines counted. */
  readonly number: number;
  readonly bytes: Buffer | null;
}

/** An item to store, or why the line is none; `index` is where it belongs as far as that can be told. */
export type ReadLine =
  | { readonly ok: true; readonly item: IndexedElement }
  | { readonly ok: false; readonly index: number; readonly issues: readonly ValidationIssue[] };

const content = {
  filename: z.string().nullish(),
  mediaType: z.string().nullish(),
  text: z.string().nullish(),
  base64: z.string().nullish(),
  json: z.unknown().optional(),
  url: z.string().nullish(),
  element: z.strictObject({ datasourceId: z.string(), elementId: z.string(), document: z.int().nullish() }).nullish(),
};
const elementSchema = z.strictObject({
  ...content,
  dataElementId: z.string().nullish(),
  filename: z.string(),
  documents: z.array(z.strictObject(content)).nullish(),
  metadata: z.unknown().optional(),
});
const schema = elementSchema.extend({ index: z.int().min(0).max(MAX_INDEX).nullish() });

const BYTE_ORDER_MARK = /^\uFEFF/;
const SPACE = 0x20;

/** Whether a line has nothing in it; such a line is no item and takes no index. */
export const isBlank = ({ bytes }: Line): boolean => bytes !== null && !bytes.some((byte) => byte > SPACE);

/** The item that a line is, at its own `index` or at the one it has by its place. */
export function readLine({ number, bytes }: Line, place: number): ReadLine {
  const issues = new IssueList();
  const value = parse(bytes, number, issues);
  const line = issues.isEmpty ? issues.check(schema, value, []) : undefined;
  const index = line?.index ?? place;
  if (index > MAX_INDEX) issues.add([], 'too_big', `would have an index above ${MAX_INDEX}`, { maximum: MAX_INDEX });
  const row = line === undefined ? null : checkElement(line, line.dataElementId ?? defaultItemId(index), [], issues);
  return row === null ? { ok: false, index, issues: issues.all } : { ok: true, item: { ...row, index } };
}

/** The element of a datasource that a line is, with its filename for an id by default; null with what is wrong. */
export function readElementLine({ number, bytes }: Line): {
  readonly element: NewElement | null;
  readonly issues: readonly ValidationIssue[];
} {
  const issues = new IssueList();
  const value = parse(bytes, number, issues);
  const line = issues.isEmpty ? issues.check(elementSchema, value, []) : undefined;
  if (line !== undefined) refuseReferences(line, [], issues);
  const element = line === undefined ? null : checkElement(line, line.dataElementId ?? line.filename, [], issues);
  return { element, issues: issues.all };
}

function parse(bytes: Buffer | null, number: number, issues: IssueList): unknown {
  if (bytes === null) {
    issues.add([], 'too_large', `is longer than ${LIMITS.elementBytes} bytes`, { maximum: LIMITS.elementBytes });
    return null;
  }
  if (!isUtf8(bytes)) {
    issues.add([], 'not_utf8', 'is not UTF-8');
    return null;
  }
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(number === 1 ? text.replace(BYTE_ORDER_MARK, '') : text);
  } catch {
    issues.add([], 'not_json', 'is not JSON');
    return null;
  }
}
