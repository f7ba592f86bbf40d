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
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { top_p: topP }),
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(maxCompletionTokens !== undefined && { max_completion_tokens: maxCompletionTokens }),
    ...(seed !== undefined && { seed }),
    ...(stop !== undefined && { stop }),
    ...(format !== undefined && { response_format: format }),
    // Endpoints know more words than the API's own, and new ones come with new models.
    ...(reasoningEffort !== undefined && ({ reasoning_effort: reasoningEffort } as object)),
  };
}

function responseFormat({
  responseFormat: format,
}: ChatAgentConfig): ChatCompletionCreateParamsNonStreaming['response_format'] {
  if (format === undefined || format === 'text') return undefined;
  if (format === 'json') return { type: 'json_object' };
  const { schema, name, strict } = format;
  return { type: 'json_schema', json_schema: { name, strict, schema } };
}
