/** Carries GraphQL operations over WebSocket: a thin adapter between `ws` and the protocol's core. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, handleProtocols, type Server } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { LIMITS } from '../domain/limits.ts';
import type { Logger } from '../log.ts';
import type { SocketState } from './socket-operations.ts';

/** A client that answers no ping for this long is gone. */
const KEEP_ALIVE_MS = 12_000;
/** A client that reads nothing is cut off when this much waits for it: each operation waits for its own writes, pongs do not. */
const MAX_UNSENT_BYTES = 4 * LIMITS.socketMessageBytes;
/** "Service restart": clients connect again. */
const RESTART = 1012;

/** Takes over upgraded connections until it is stopped. */
export class Sockets {
  readonly #operations: Server<SocketState>;
  readonly #log: Logger;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: LIMITS.socketMessageBytes,
    perMessageDeflate: false,
    handleProtocols,
  });

  constructor(operations: Server<SocketState>, log: Logger) {
    this.#operations = operations;
    this.#log = log;
  }

  /** Answers an upgrade request that was found good. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#server.handleUpgrade(request, socket, head, (client) => this.#open(client));
  }

  /** Tells every client to connect elsewhere; resolves when all are gone, those that do not answer after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    const gone = [...this.#server.clients].map((client) => new Promise((resolve) => client.once('close', resolve)));
    for (const client of this.#server.clients) client.close(RESTART, 'The service is stopping.');
    const timer = setTimeout(() => {
      for (const client of this.#server.clients) client.terminate();
    }, timeoutMs);
    await Promise.all(gone);
    clearTimeout(timer);
    this.#server.close();
  }

  #open(client: WebSocket): void {
    // Without a listener a broken frame would end the process. `ws` has closed the socket with the fitting code.
    client.on('error', (error) => this.#log.debug({ err: error }, 'a socket broke'));
    const close = (code: number, reason: string) => client.close(code, clipBytes(reason));
    const closed = this.#operations.opened(
      {
        protocol: client.protocol,
        send: (text) => send(client, text),
        close,
        onMessage: (handle) => client.on('message', (data: Buffer) => this.#receive(client, handle, data)),
      },
      { actor: null, gone: false, close, unwatch: () => undefined },
    );
    const stopPinging = keepAlive(client);
    client.once('close', (code, reason) => {
      stopPinging();
      closed(code, reason.toString()).catch((error: unknown) =>
        this.#log.warn({ err: error }, 'could not clean up after a socket'),
      );
    });
  }

  #receive(client: WebSocket, handle: (text: string) => Promise<void>, data: Buffer): void {
    handle(data.toString()).catch((error: unknown) => {
      this.#log.warn({ err: error }, 'a socket message could not be handled');
      client.close(CloseCode.InternalServerError, 'The message could not be handled.');
    });
  }
}

async function send(client: WebSocket, text: string): Promise<void> {
  if (client.readyState !== client.OPEN) return;
  if (client.bufferedAmount > MAX_UNSENT_BYTES) {
    client.terminate();
    return;
  }
  await new Promise<void>((resolve) => {
    // A write that fails means that the socket is closing; its close event cleans up.
    client.send(text, () => resolve());
  });
}

function keepAlive(client: WebSocket): () => void {
  let answered = true;
  client.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (!answered) {
      client.terminate();
      return;
    }
    answered = false;
    if (client.readyState === client.OPEN) client.ping();
  }, KEEP_ALIVE_MS);
  return () => clearInterval(timer);
}

/** The protocol allows a reason 123 bytes. */
function clipBytes(reason: string): string {
  return Buffer.byteLength(reason) <= 123
    ? reason
    : new TextDecoder().decode(Buffer.from(reason).subarray(0, 120)).replace(/\uFFFD$/, '');
}
