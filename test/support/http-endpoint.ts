/** A real HTTP server that answers the calls of agents as a test says. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the server got it, its body parsed where it is JSON. */
export interface EndpointRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

/** Answers a request; `no` counts the requests from 1. */
export type EndpointHandler = (request: EndpointRequest, response: ServerResponse, no: number) => unknown;

export interface HttpEndpoint {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly requests: EndpointRequest[];
  /** Connections that were made to it. */
  readonly connections: () => number;
  stop(): Promise<void>;
}

/** Sends JSON. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Starts a server on a free port. */
export async function startHttpEndpoint(handler: EndpointHandler): Promise<HttpEndpoint> {
  const requests: EndpointRequest[] = [];
  let connections = 0;
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const { method = '', url = '', headers } = incoming;
      const isJson = text !== '' && headers['content-type'] === 'application/json';
      const request = { method, path: url, headers, text, body: isJson ? JSON.parse(text) : {} };
      requests.push(request);
      handler(request, response, requests.length);
    });
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    ...{ url: `http://127.0.0.1:${port}`, port, requests },
    connections: () => connections,
    async stop() {
      server.closeAllConnections();
      if (!server.listening) return;
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
