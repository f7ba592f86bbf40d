/** A TCP proxy before a server, so that a test can take the server away and give it back. */
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';

export interface CutProxy {
  /** The server's address, by way of the proxy. */
  readonly url: string;
  /** Connections that were asked for, also those turned away. */
  readonly asked: number;
  /** Breaks every connection and turns new ones away. */
  cut(): void;
  /** Breaks every connection; new ones are let through. */
  drop(): void;
  /**
   * From now on passes nothing on for the connections that are open, or no answers only; they stay open. New ones
   * are let through.
   */
  swallow(what: 'everything' | 'answers'): void;
  /** Lets connections through again. */
  heal(): void;
  close(): Promise<void>;
}

/** A proxy before the server of this URL, on a free port of this machine. */
export async function startCutProxy(url: string): Promise<CutProxy> {
  const target = new URL(url);
  const sockets = new Set<net.Socket>();
  const pairs = new Map<net.Socket, net.Socket>();
  let asked = 0;
  let isCut = false;
  const track = (socket: net.Socket, other: net.Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    asked += 1;
    if (isCut) {
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    const upstream = net.connect({ port: Number(target.port), host: target.hostname, allowHalfOpen: true });
    track(socket, upstream);
    track(upstream, socket);
    socket.pipe(upstream);
    upstream.pipe(socket);
    pairs.set(socket, upstream);
    socket.on('close', () => pairs.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = new URL(url);
  own.hostname = '127.0.0.1';
  own.port = String((server.address() as AddressInfo).port);
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: own.href,
    get asked() {
      return asked;
    },
    drop,
    swallow(what) {
      for (const [socket, upstream] of pairs) {
        upstream.unpipe(socket).resume();
        if (what === 'everything') socket.unpipe(upstream).resume();
      }
    },
    cut() {
      isCut = true;
      drop();
    },
    heal() {
      isCut = false;
    },
    async close() {
      drop();
      server.close();
      await once(server, 'close');
    },
  };
}
