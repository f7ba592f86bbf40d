/** What the templates of a message can put in: the item, its documents, and what came before. */
import { isUtf8 } from 'node:buffer';
import type { AgentContext, AgentDocument } from '../../domain/agent-context.ts';
import { clipText } from '../../domain/json.ts';
import { promptError } from './chat-error.ts';
import type { ChatAgentConfig } from './config.ts';
import { mentions, type Template } from './template.ts';

type DocumentRules = ChatAgentConfig['documents'];

/**
 * The fields that these templates need; content is read only where one of them mentions it.
 *
 * `text` and `json` are of the first document. In `documents`, the text of one that is none is null. Throws a
 * VALIDATION ChatError when a document that is mentioned alone is no text, no JSON or too long.
 */
export async function fieldsOf(
  { item, previous, config }: AgentContext,
  rules: DocumentRules,
  templates: readonly Template[],
): Promise<Record<string, unknown>> {
  const { filename, mediaType, metadata, dataElementId, ordinal, documents } = item;
  const wants = (name: string): boolean => templates.some((template) => mentions(template, name));
  const wantsText = templates.some(({ names }) => [...names].some((name) => /(?:^|\.)text(?:\.|$)/.test(name)));
  const wantsJson = templates.some(({ names }) => [...names].some((name) => /(?:^|\.)json(?:\.|$)/.test(name)));
  const fields: Record<string, unknown> = { filename, mediaType, metadata, dataElementId, ordinal, previous, config };
  const [first] = documents;
  if (wants('documents')) {
    fields['documents'] = await Promise.all(
      documents.map(async (document, index) => ({
        ...{ number: index + 1, filename: document.filename, mediaType: document.mediaType },
        text: wantsText ? await readText(document, rules) : null,
        json: wantsJson ? await parsed(document).catch(() => null) : null,
      })),
    );
  }
  // Beside a list of documents these may be meant for its entries, so that what they are not is no fault.
  if (first !== undefined && wants('text')) {
    fields['text'] = await (wants('documents') ? readText(first, rules) : documentText(first, rules));
  }
  if (first !== undefined && wants('json')) {
    fields['json'] = await (wants('documents') ? parsed(first).catch(() => null) : parsed(first));
  }
  return fields;
}

/** A document's text, cut or refused by the rules. Throws a VALIDATION ChatError when it is none. */
export async function documentText(document: AgentDocument, rules: DocumentRules): Promise<string> {
  const text = await readText(document, rules);
  if (text !== null) return text;
  const { filename, mediaType } = document;
  throw promptError(
    'unsupported_document',
    `The document ${JSON.stringify(filename)} (${mediaType}) is neither text in UTF-8 nor an image.`,
    { filename, mediaType },
  );
}

async function readText(document: AgentDocument, { maxLength, tooLong }: DocumentRules): Promise<string | null> {
  const bytes = await document.bytes();
  if (!isUtf8(bytes) || bytes.includes(0)) return null;
  const text = new TextDecoder().decode(bytes);
  if (text.length <= maxLength) return text;
  if (tooLong === 'CUT') return clipText(text, maxLength);
  throw promptError(
    'document_too_long',
    `The document ${JSON.stringify(document.filename)} has ${text.length} characters; at most ${maxLength} are sent.`,
  );
}

async function parsed(document: AgentDocument): Promise<unknown> {
  const bytes = await document.bytes();
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw promptError('not_json', `The document ${JSON.stringify(document.filename)} is not JSON.`);
  }
}
