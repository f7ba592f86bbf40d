/** What is posted to a thread in one turn of the event loop, sent at its end as one message. */
import type { ToThread } from './protocol.ts';

interface Port {
  postMessage(messages: readonly ToThread[], transfer?: readonly ArrayBuffer[]): void;
}

export class Outbox {
  readonly #port: Port;
  readonly #refused: (message: ToThread, error: unknown) => void;
  #messages: ToThread[] = [];
  #transfer: ArrayBuffer[] = [];

  /** `refused` is told of each message that cannot be cloned. */
  constructor(port: Port, refused: (message: ToThread, error: unknown) => void) {
    this.#port = port;
    this.#refused = refused;
  }

  /** Posts a message; the buffers in `transfer` are moved, and of no use here afterwards. */
  post(message: ToThread, transfer: readonly ArrayBuffer[] = []): void {
    this.#transfer.push(...transfer);
    if (this.#messages.push(message) === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const [messages, transfer] = [this.#messages, this.#transfer];
    this.#messages = [];
    this.#transfer = [];
    try {
      this.#port.postMessage(messages, transfer);
    } catch {
      // One of them cannot be cloned: the others go alone, their buffers copied.
      for (const message of messages) this.#postAlone(message);
    }
  }

  #postAlone(message: ToThread): void {
    try {
      this.#port.postMessage([message]);
    } catch (error) {
      this.#refused(message, error);
    }
  }
}
