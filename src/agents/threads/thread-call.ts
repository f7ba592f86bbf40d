/** A call inside its thread: the context that the agent gets, whose content comes from the service by messages. */
import type { AgentContext, AgentDocument, AgentLog } from '../../domain/agent-context.ts';
import { CallSignal, STOP, withSignal } from '../../domain/call-signal.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { DocumentName, LogLevel } from '../../domain/model.ts';
import type { Answer, FromThread, Question, SentContext } from './protocol.ts';
import { unpackThrown } from './thrown.ts';

type Value = Uint8Array | boolean | null;

export class ThreadCall {
  readonly context: AgentContext;
  readonly #no: number;
  readonly #post: (message: FromThread) => void;
  readonly #stop = new CallSignal();
  readonly #asked: PromiseWithResolvers<Value>[] = [];
  readonly #contents = new Map<number | null, Promise<Buffer>>();
  #logged = 0;
  #dropped = 0;
  #ended = false;

  constructor(no: number, { item, ...rest }: SentContext, post: (message: FromThread) => void) {
    this.#no = no;
    this.#post = post;
    const own = this.#document(item, item.documents.length === 0 ? null : 0);
    this.context = withSignal({
      ...rest,
      item: {
        ...item,
        documents: item.documents.map((name, index) => this.#document(name, index)),
        text: own.text,
        bytes: own.bytes,
        json: own.json,
        exists: async (path: string) => existenceOf(await this.#ask({ exists: String(path) })),
      },
      log: (...line: Parameters<AgentLog>) => this.#log(...line),
      [STOP]: this.#stop,
    });
  }

  /** Aborts the agent's signal. */
  abort(reason: DOMException): void {
    this.#stop.abort(reason);
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

  /** Tells how many lines were left out; to be called before the answer is posted, which ends the call's log. */
  closeLog(): void {
    // The message itself is a line too many, and is counted as one.
    if (this.#dropped > 0) this.#say('', 'INFO', this.#dropped - 1);
    this.#dropped = 0;
  }

  /** Hands a line on; of those that the service would not keep, only their number. */
  #log(message: string, level: LogLevel = 'INFO', dropped = 0): void {
    if (this.#ended) return;
    const more = Number.isSafeInteger(dropped) && dropped > 0 ? dropped : 0;
    this.#logged += 1;
    if (this.#logged > LIMITS.logLines) this.#dropped += 1 + more;
    else
      this.#say(String(message).slice(0, LIMITS.logLineLength + 1), typeof level === 'string' ? level : 'INFO', more);
  }

  #say(text: string, level: LogLevel, dropped: number): void {
    this.#post({ kind: 'said', call: this.#no, text, level, dropped });
  }

  #ask(asked: Question): Promise<Value> {
    if (this.#ended) return Promise.reject(new Error('The call has ended.'));
    const answer = Promise.withResolvers<Value>();
    // A question left alone when the call ends must not end the thread as an unhandled rejection.
    answer.promise.catch(() => undefined);
    this.#post({ kind: 'asks', call: this.#no, question: this.#asked.push(answer) - 1, asked });
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
