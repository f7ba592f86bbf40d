/**
 * The messages of one call.
 *
 * The user message is the agent's `user` template. A tier's userMessage, a template itself, takes its place; where
 * `user` or `system` mentions {{userMessage}} it goes in there instead. What the messages do not mention is attached:
 * see `documents.attach` of the config. Images are always parts of their own.
 */
import type { ChatCompletionContentPart, ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import type { AgentContext, AgentDocument } from '../../domain/agent-context.ts';
import { CHAT_LIMITS } from '../../domain/chat-rules.ts';
import { promptError } from './chat-error.ts';
import type { ChatAgentConfig } from './config.ts';
import { FIELD_NAMES, MESSAGE_FIELD_NAMES } from './field-names.ts';
import { documentText, fieldsOf } from './fields.ts';
import { mentions, parseTemplate, render, type Template, TemplateError } from './template.ts';

/** Makes the messages for an item; throws a VALIDATION ChatError where the item does not give what they need. */
export type MakeMessages = (context: AgentContext) => Promise<ChatCompletionMessageParam[]>;

/** How many userMessages of tiers are kept parsed, each of up to 2 MB: executions that run at a time bring their own. */
const KEPT_TEMPLATES = 10;

/** The way from items to messages that a config describes; its templates are parsed once. */
export function messageMaker(config: ChatAgentConfig): MakeMessages {
  const system = config.system === null ? null : parseTemplate(config.system, FIELD_NAMES);
  const ownUser = config.user === null ? null : parseTemplate(config.user, FIELD_NAMES);
  const placed = [system, ownUser].some((template) => template !== null && mentions(template, 'userMessage'));
  const kept = new Map<string, Template>();

  function tierTemplate(text: string | null): Template | null {
    if (text === null) return null;
    const known = kept.get(text);
    if (known !== undefined) return known;
    if (kept.size >= KEPT_TEMPLATES) kept.clear();
    const template = parseTierTemplate(text);
    kept.set(text, template);
    return template;
  }

  return async (context) => {
    const tierMessage = tierTemplate(context.userMessage);
    const user = tierMessage === null || placed ? ownUser : tierMessage;
    const templates = [system, user, placed ? tierMessage : null].filter((template) => template !== null);
    const fields = await fieldsOf(context, config.documents, templates);
    const fill = (template: Template): string => render(template, fields, CHAT_LIMITS.messageLength);
    if (placed && tierMessage !== null) fields['userMessage'] = fill(tierMessage);
    const texts = [user === null ? '' : fill(user), ...(await attachedTexts(config, context, templates))];
    const content = withImages(texts.filter((text) => text !== '').join('\n\n'), await images(config, context));
    return [
      ...(system === null ? [] : [{ role: 'system', content: fill(system) } as const]),
      { role: 'user', content },
    ];
  };
}

function parseTierTemplate(text: string): Template {
  try {
    return parseTemplate(text, MESSAGE_FIELD_NAMES);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw promptError('invalid_template', `The userMessage is no template: ${error.message}.`);
  }
}

const isImage = ({ mediaType }: AgentDocument): boolean => /^image\//i.test(mediaType);

/** Whether the documents are this tier's input, so far as they are not mentioned. */
const attachesDocuments = ({ documents: { attach } }: ChatAgentConfig, tier: number): boolean =>
  attach === 'ALWAYS' || (attach === 'AUTO' && tier === 0);

/** What follows the user message: the result of the tier before, and the documents that are text. */
async function attachedTexts(
  config: ChatAgentConfig,
  { item, tier, previous }: AgentContext,
  templates: readonly Template[],
): Promise<readonly string[]> {
  const { documents: rules } = config;
  const mentioned = (...names: string[]): boolean =>
    templates.some((template) => names.some((name) => mentions(template, name)));
  const texts: string[] = [];
  if (rules.attach !== 'NEVER' && tier > 0 && !mentioned('previous')) {
    texts.push(typeof previous === 'string' ? previous : JSON.stringify(previous));
  }
  if (!attachesDocuments(config, tier) || mentioned('text', 'json', 'documents')) return texts;
  const readable = item.documents.filter((document) => !isImage(document));
  for (const document of readable) {
    const text = await documentText(document, rules);
    texts.push(readable.length === 1 ? text : `[${document.filename}]\n${text}`);
  }
  return texts;
}

async function images(config: ChatAgentConfig, { item, tier }: AgentContext): Promise<ChatCompletionContentPart[]> {
  if (!attachesDocuments(config, tier)) return [];
  const found = item.documents.filter(isImage);
  if (found.length > CHAT_LIMITS.images) {
    throw promptError(
      'too_many_images',
      `The item has ${found.length} images; at most ${CHAT_LIMITS.images} are sent.`,
    );
  }
  const { imageDetail: detail } = config.documents;
  const parts: ChatCompletionContentPart[] = [];
  for (const image of found) {
    const bytes = await image.bytes();
    if (bytes.byteLength > CHAT_LIMITS.imageBytes) {
      throw promptError(
        'image_too_large',
        `The image ${JSON.stringify(image.filename)} has ${bytes.byteLength} bytes; at most ${CHAT_LIMITS.imageBytes} are sent.`,
      );
    }
    const type = image.mediaType.replace(/;.*$/s, '').trim().toLowerCase();
    const url = `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;
    parts.push({ type: 'image_url', image_url: { url, ...(detail !== null && { detail: DETAILS[detail] }) } });
  }
  return parts;
}

const DETAILS = { AUTO: 'auto', LOW: 'low', HIGH: 'high' } as const;

/** Plain text where there are no images: more endpoints know it. */
function withImages(text: string, parts: readonly ChatCompletionContentPart[]): string | ChatCompletionContentPart[] {
  if (text.length > CHAT_LIMITS.messageLength) {
    throw promptError('prompt_too_long', `The message is longer than ${CHAT_LIMITS.messageLength} characters.`);
  }
  if (parts.length > 0) return [...(text === '' ? [] : [{ type: 'text', text } as const]), ...parts];
  if (text === '')
    throw promptError('empty_prompt', 'The user message is empty: no template and no document gives it a text.');
  return text;
}
