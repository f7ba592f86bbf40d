/** The inputs that are elements: inline items, elements to store, and their documents. */
import { LIMITS } from '../domain/limits.ts';
import { builder } from './builder.ts';

const MEDIA_TYPE =
  'The media type; by default that of the extension, else by the kind of content: text/plain, application/json or application/octet-stream.';
const TEXT = 'The content as text.';
const BASE64 = 'The content as base64 (standard alphabet, padded; line breaks are ignored).';
const JSON_CONTENT = `The content as any JSON value but null, at most ${LIMITS.jsonDepth} levels deep.`;

const URL_CONTENT = `Where the content is, https, at most ${LIMITS.urlLength} characters; it is fetched when the item runs, and its size, redirects and addresses are checked then. Without a \`mediaType\` it has the one that its server tells.`;
const ELEMENT = 'A document of an element of the project, read when the item runs.';

const DocumentRefInput = builder.inputType('DocumentRefInput', {
  description: 'A document of an element of a datasource of the project; not of the items of an execution.',
  fields: (t) => ({
    datasourceId: t.id({ required: true, description: 'The datasource, `ds_…`.' }),
    elementId: t.id({ required: true, description: "The element's id in it." }),
    document: t.int({
      defaultValue: 0,
      description: `The document's place in the element, from 0 to ${LIMITS.documentsPerItem - 1}.`,
    }),
  }),
});

const DocumentInput = builder.inputType('DocumentInput', {
  description: 'One of several documents of an element: exactly one of `text`, `base64`, `json`, `url` and `element`.',
  fields: (t) => ({
    filename: t.string({ description: "The filename, at most 1000 characters; the element's by default." }),
    mediaType: t.string({ description: MEDIA_TYPE }),
    text: t.string({ description: TEXT }),
    base64: t.string({ description: BASE64 }),
    json: t.field({ type: 'JSON', description: JSON_CONTENT }),
    url: t.string({ description: URL_CONTENT }),
    element: t.field({ type: DocumentRefInput, description: ELEMENT }),
  }),
});

const metadata = `Anything to keep with it and hand to the agent, at most ${LIMITS.metadataBytes} bytes of JSON.`;

export const InlineItemInput = builder.inputType('InlineItemInput', {
  description: 'One item with its content: exactly one of `text`, `base64`, `json`, `url`, `element` and `documents`.',
  fields: (t) => ({
    dataElementId: t.id({
      description: `The id of the element, unique in the list, at most ${LIMITS.elementIdBytes} bytes; "item-" and its place from 0 by default.`,
    }),
    filename: t.string({ required: true, description: 'The filename, at most 1000 characters.' }),
    mediaType: t.string({ description: MEDIA_TYPE }),
    text: t.string({ description: TEXT }),
    base64: t.string({ description: BASE64 }),
    json: t.field({ type: 'JSON', description: JSON_CONTENT }),
    url: t.string({ description: URL_CONTENT }),
    element: t.field({ type: DocumentRefInput, description: ELEMENT }),
    documents: t.field({
      type: [DocumentInput],
      description: `Several documents that are one unit of work, 1-${LIMITS.documentsPerItem}.`,
    }),
    metadata: t.field({ type: 'JSON', description: metadata }),
  }),
});

export const DataElementInput = builder.inputType('DataElementInput', {
  description: 'One element to store: exactly one of `text`, `base64`, `json`, `url` and `documents`.',
  fields: (t) => ({
    dataElementId: t.id({
      description: `The id within the datasource, at most ${LIMITS.elementIdBytes} bytes; the filename by default. An element that has it is replaced.`,
    }),
    filename: t.string({ required: true, description: 'The filename, at most 1000 characters.' }),
    mediaType: t.string({ description: MEDIA_TYPE }),
    text: t.string({ description: TEXT }),
    base64: t.string({ description: BASE64 }),
    json: t.field({ type: 'JSON', description: JSON_CONTENT }),
    url: t.string({ description: URL_CONTENT }),
    documents: t.field({
      type: [DocumentInput],
      description: `Several documents that are one unit of work, 1-${LIMITS.documentsPerItem}.`,
    }),
    metadata: t.field({ type: 'JSON', description: metadata }),
  }),
});
