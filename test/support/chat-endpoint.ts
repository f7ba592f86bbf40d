/** A real server in the shape of the OpenAI API, which answers chat completions as a test says. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ChatCompletion, ChatCompletionCreateParamsNonStreaming } from 'openai/resources/chat/completions';

/** A request as the server got it. */
export interface ChatRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: ChatCompletionCreateParamsNonStreaming;
}

/** Answers a request; `no` counts the requests from 1. */
export type ChatHandler = (request: ChatRequest, response: ServerResponse, no: number) => unknown;

export interface ChatEndpoint {
  readonly baseURL: string;
  readonly requests: ChatRequest[];
  /** How requests are answered from now on. */
  answer(handler: ChatHandler): void;
  stop(): Promise<void>;
}

/** A completion with this content; `parts` replace what is otherwise there. */
export function completion(content: string | null, parts: Partial<ChatCompletion> = {}): ChatCompletion {
  return {
    ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1_790_000_000, model: 'tiny-1-2026-11-01' },
    choices: [
      { index: 0, finish_reason: 'stop', logprobs: null, message: { role: 'assistant', content, refusal: null } },
    ],
    usage: {
      ...{ prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 },
      prompt_tokens_details: { cached_tokens: 8 },
      completion_tokens_details: { reasoning_tokens: 2 },
    },
    ...parts,
  };
}

/** The first choice of a completion, changed. */
export function ending(
  reason: ChatCompletion.Choice['finish_reason'],
  message: Partial<ChatCompletion.Choice['message']> = {},
): ChatCompletion {
  const whole = completion('half an ans');
  return {
    ...whole,
    choices: whole.choices.map((choice) => ({
      ...choice,
      finish_reason: reason,
      message: { ...choice.message, ...message },
    })),
  };
}

/** Sends JSON. */
export function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req_1', ...headers });
  response.end(JSON.stringify(body));
}

/** Sends an error in the API's shape. */
export const sendError = (
  response: ServerResponse,
  status: number,
  error: { message: string; type?: string; code?: string | null; param?: string | null },
  headers: Record<string, string> = {},
): void =>
  send(response, status, { error: { type: 'invalid_request_error', code: null, param: null, ...error } }, headers);

/** Starts a server on a free port; it answers `hello` until it is told otherwise. */
export async function startChatEndpoint(): Promise<ChatEndpoint> {
  let handler: ChatHandler = (_request, response) => send(response, 200, completion('hello'));
  const requests: ChatRequest[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString() || 'null') as ChatRequest['body'];
      const request = { path: incoming.url ?? '', headers: incoming.headers, body };
      requests.push(request);
      handler(request, response, requests.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseURL: `http://127.0.0.1:${port}/v1`,
    requests,
    answer: (next) => {
      handler = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
