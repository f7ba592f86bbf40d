/** A connection to the embedded database that PostgreSQL's driver takes for one to a server. */
import { Duplex } from 'node:stream';
import type { EmbeddedThread } from './embedded-thread.ts';

export class EmbeddedSocket extends Duplex {
  readonly #thread: EmbeddedThread;

  constructor(thread: EmbeddedThread) {
    super();
    this.#thread = thread;
  }

  /** Is made at once. */
  connect(): this {
    process.nextTick(() => this.emit('connect'));
    return this;
  }

  // What the driver asks of a socket besides, and what there is nothing to do for.
  setNoDelay(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    // What comes is pushed.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#send([chunk]);
    done();
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: () => void): void {
    this.#send(chunks.map(({ chunk }) => chunk));
    done();
  }

  override _final(done: () => void): void {
    this.push(null);
    done();
  }

  /** Sends what the driver wrote in one go. */
  #send(parts: readonly Buffer[]): void {
    // A copy to move to the thread: the driver's buffers are not its own alone.
    const message = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let length = 0;
    for (const part of parts) {
      message.set(part, length);
      length += part.length;
    }
    this.#thread.ask(message).then(
      // Empty where the driver said goodbye: it listens no more.
      (answer) => answer instanceof Uint8Array && answer.length > 0 && this.push(answer),
      // In the driver's words for a connection that broke.
      (cause: unknown) => this.destroy(new Error('Connection terminated: the embedded database failed.', { cause })),
    );
  }
}
