/** A call inside its thread: the context that the agent gets, whose content comes from the service by messages. */
import type { AgentContext, AgentDocument } from '../../domain/agent-context.ts';
import type { DocumentName } from '../../domain/model.ts';
import type { Answer, FromThread, Question, SentContext } from './protocol.ts';
import { unpackThrown } from './thrown.ts';

type Value = Uint8Array | boolean | null;

/** Longer texts are cut before they are sent: the service logs no more of them. */
const LOG_LENGTH = 1_000;

export class ThreadCall {
  readonly context: AgentContext;
  readonly #id: number;
  readonly #post: (message: FromThread) => void;
  readonly #controller = new AbortController();
  readonly #asked: PromiseWithResolvers<Value>[] = [];
  readonly #contents = new Map<number | null, Promise<Buffer>>();
  #ended = false;

  constructor(id: number, { item, ...rest }: SentContext, post: (message: FromThread) => void) {
    this.#id = id;
    this.#post = post;
    const own = this.#document(item, item.documents.length === 0 ? null : 0);
    this.context = {
      ...rest,
      item: {
        ...item,
        documents: item.documents.map((name, index) => this.#document(name, index)),
        text: own.text,
        bytes: own.bytes,
        json: own.json,
        exists: async (path) => existenceOf(await this.#ask({ exists: String(path) })),
      },
      signal: this.#controller.signal,
      log: (message) => {
        if (!this.#ended) post({ kind: 'said', call: id, text: String(message).slice(0, LOG_LENGTH) });
      },
    };
  }

  /** Aborts the agent's signal. */
  abort(name: string, message: string): void {
    this.#controller.abort(new DOMException(message, name));
  }

  /** Hands over what the service answered. */
  answer(question: number, answer: Answer): void {
    const asked = this.#asked[question];
    if (answer.ok) asked?.resolve(answer.value);
    else asked?.reject(unpackThrown(answer.thrown));
  }

  /** The agent has answered: what it left behind learns nothing more. */
  end(): void {
    this.#ended = true;
    for (const asked of this.#asked) asked.reject(new Error('The call has ended.'));
  }

  #ask(asked: Question): Promise<Value> {
    if (this.#ended) return Promise.reject(new Error('The call has ended.'));
    const answer = Promise.withResolvers<Value>();
    // A question left alone when the call ends must not end the thread as an unhandled rejection.
    answer.promise.catch(() => undefined);
    this.#post({ kind: 'asks', call: this.#id, question: this.#asked.push(answer) - 1, asked });
    return answer.promise;
  }

  #document({ filename, mediaType }: DocumentName, index: number | null): AgentDocument {
    const bytes = (): Promise<Buffer> => this.#content(index);
    return {
      ...{ filename, mediaType, bytes },
      text: async () => (await bytes()).toString('utf8'),
      json: async (): Promise<unknown> => JSON.parse((await bytes()).toString('utf8')),
    };
  }

  /** A document's bytes, asked for once; a failed read is tried again. */
  #content(index: number | null): Promise<Buffer> {
    const known = this.#contents.get(index);
    if (known !== undefined) return known;
    const content = this.#ask({ bytesOf: index }).then(bufferOf);
    this.#contents.set(index, content);
    content.catch(() => this.#contents.delete(index));
    return content;
  }
}

const existenceOf = (value: Value): boolean | null => (value instanceof Uint8Array ? null : value);

function bufferOf(value: Value): Buffer {
  if (!(value instanceof Uint8Array)) throw new TypeError('The service answered no bytes.');
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
