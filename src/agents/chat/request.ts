/** The body of a chat completion request. */
import type {
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionMessageParam,
} from 'openai/resources/chat/completions';
import type { ChatAgentConfig } from './config.ts';

/** The request's body; what the config leaves out is not sent. */
export function requestBody(
  config: ChatAgentConfig,
  model: string,
  messages: ChatCompletionMessageParam[],
): ChatCompletionCreateParamsNonStreaming {
  const { temperature, topP, maxTokens, maxCompletionTokens, seed, stop, reasoningEffort, extraBody } = config;
  const format = responseFormat(config);
  return {
    ...extraBody,
    ...{ model, messages },
    ...(temperature !== null && { temperature }),
    ...(topP !== null && { top_p: topP }),
    ...(maxTokens !== null && { max_tokens: maxTokens }),
    ...(maxCompletionTokens !== null && { max_completion_tokens: maxCompletionTokens }),
    ...(seed !== null && { seed }),
    ...(stop !== null && { stop }),
    ...(format !== undefined && { response_format: format }),
    // Endpoints know more words than the client's type has, and new ones come with new models.
    ...(reasoningEffort !== null && Object({ reasoning_effort: reasoningEffort })),
  };
}

function responseFormat({
  responseFormat: format,
}: ChatAgentConfig): ChatCompletionCreateParamsNonStreaming['response_format'] {
  if (format.type !== 'JSON_SCHEMA') return format.type === 'JSON' ? { type: 'json_object' } : undefined;
  const { schema, name, strict } = format;
  return { type: 'json_schema', json_schema: { name, strict, schema } };
}
