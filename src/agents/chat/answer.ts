/** Reads a chat completion: its usage, and the data in the answer. */
import { z } from 'zod';
import { OUTPUT_MISMATCH, type OutputMisses } from '../../domain/output-rules.ts';
import type { AgentResult, AgentUsage } from '../contract.ts';
import { ChatError } from './chat-error.ts';

/** Some endpoints answer in parts, of which those of other types are the model's thoughts. */
const content = z.union([
  z.string(),
  z
    .array(z.object({ type: z.string(), text: z.string().optional().catch(undefined) }))
    .transform((parts) => parts.map(({ type, text = '' }) => (type === 'text' ? text : '')).join('')),
]);

const count = z.int().min(0).nullish().catch(null);

/** What is read of a completion. Endpoints leave out much of what the API's own has, and null other parts. */
const completionSchema = z.object({
  model: z.string().nullish().catch(null),
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({
          content: content.nullish(),
          refusal: z.string().nullish(),
          tool_calls: z.array(z.unknown()).nullish(),
        }),
      }),
    )
    .min(1),
  usage: z
    .object({
      prompt_tokens: count,
      completion_tokens: count,
      total_tokens: count,
      prompt_tokens_details: z.object({ cached_tokens: count }).nullish().catch(null),
      completion_tokens_details: z.object({ reasoning_tokens: count }).nullish().catch(null),
    })
    .nullish()
    .catch(null),
});

type Completion = z.output<typeof completionSchema>;

/** How an answer is read: as text, or as JSON, and then in what it misses its schema. */
export interface AnswerFormat {
  readonly type: 'TEXT' | 'JSON';
  readonly misses?: (json: string) => Promise<OutputMisses>;
}

/** The result in a completion of `model`. Throws a ChatError that carries the usage when there is none. */
export async function readAnswer(completion: unknown, model: string, format: AnswerFormat): Promise<AgentResult> {
  const parsed = completionSchema.safeParse(completion);
  if (!parsed.success) {
    const { path = [], message } = parsed.error.issues[0] ?? { message: 'it is unreadable' };
    const at = path.length === 0 ? '' : ` at ${path.join('.')}`;
    throw new ChatError(
      'DEPENDENCY',
      'bad_completion',
      `The endpoint's answer is no chat completion${at}: ${message}.`,
      {
        stage: 'answer',
      },
    );
  }
  const usage = usageOf(parsed.data, model);
  const text = textOf(parsed.data, usage);
  const data = format.type === 'TEXT' ? text : await readJson(text, format, usage);
  return { data, ...(usage !== undefined && { usage }) };
}

/** What a completion used; undefined when the endpoint does not say. */
function usageOf({ usage, model }: Completion, asked: string): AgentUsage | undefined {
  if (usage?.prompt_tokens == null) return undefined;
  const { prompt_tokens: inputTokens, completion_tokens, total_tokens } = usage;
  const outputTokens = completion_tokens ?? 0;
  return {
    ...{ inputTokens, outputTokens, totalTokens: total_tokens ?? inputTokens + outputTokens },
    cachedInputTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    reasoningTokens: usage.completion_tokens_details?.reasoning_tokens ?? 0,
    model: model ?? asked,
  };
}

/** The text of the first choice, if it came to its end. */
function textOf({ choices: [choice] }: Completion, usage: AgentUsage | undefined): string {
  const refuse = (code: string, message: string, recovery?: string): never => {
    throw new ChatError('VALIDATION', code, message, { stage: 'answer', usage, recovery });
  };
  const { finish_reason: reason, message } = choice ?? { message: {} };
  const content = message.content ?? '';
  if (message.refusal) return refuse('refusal', `The model refused: ${message.refusal}`);
  if (reason === 'content_filter') return refuse('content_filter', "The endpoint's content filter ended the answer.");
  if (reason === 'tool_calls' || reason === 'function_call' || (message.tool_calls ?? []).length > 0) {
    return refuse('tool_calls_unsupported', 'The model called a tool, and chat agents have none.');
  }
  if (reason === 'length') {
    return refuse(
      'answer_cut',
      "The answer was cut at the model's token limit.",
      'Raise maxCompletionTokens or maxTokens.',
    );
  }
  if (content.trim() !== '') return content;
  throw new ChatError('RUNTIME', 'empty_answer', 'The model answered nothing.', { stage: 'answer', usage });
}

async function readJson(text: string, { misses }: AnswerFormat, usage: AgentUsage | undefined): Promise<unknown> {
  const json = unfenced(text);
  let data: unknown;
  try {
    data = JSON.parse(json);
  } catch {
    throw new ChatError('VALIDATION', 'answer_not_json', 'The answer is not JSON.', {
      ...{ stage: 'answer', usage, details: { start: text.slice(0, 500) } },
      recovery: 'Ask for JSON in the message, or have the endpoint hold the model to a schema with responseFormat.',
    });
  }
  const { fieldErrors, total } = (await misses?.(json)) ?? { fieldErrors: [], total: 0 };
  if (total === 0) return data;
  const [first] = fieldErrors;
  const where = first === undefined || first.path === '' ? '' : ` at ${first.path}`;
  const more = total > 1 ? ` (and ${total - 1} more)` : '';
  const message = `The answer does not fit its schema${where}: ${first?.message ?? 'it was not checked'}${more}.`;
  throw new ChatError('VALIDATION', OUTPUT_MISMATCH, message, {
    ...{ stage: 'answer', usage, details: { fieldErrors, total } },
  });
}

/** The text inside, where the whole answer is one Markdown fence (bare or of `json`), as some models write JSON. */
function unfenced(text: string): string {
  const trimmed = text.trim();
  const [first = '', ...rest] = trimmed.split('\n');
  const isFence = /^```(?:json)?\s*$/i.test(first) && rest.at(-1)?.trim() === '```';
  return isFence ? rest.slice(0, -1).join('\n') : trimmed;
}
