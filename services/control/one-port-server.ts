/**
 * One-port server — HTTP/1.1 and cleartext HTTP/2 (which gRPC needs) on the same port.
 *
 * Told apart by the first bytes: an HTTP/2 client that knows begins with `PRI * HTTP/2.0`
 * (RFC 9113 §3.4), and no HTTP/1.1 request can. The bytes are given back before either server
 * sees the socket.
 * Bounds: CONNECTIONS_MAX sockets, FIRST_BYTES_MS until the first bytes, node:http's own limits on
 *         headers and request time, STREAMS_MAX requests at once on one HTTP/2 connection.
 * Ends:   `close` lets answers under way finish for CLOSE_MS, then cuts.
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { ServerHttp2Session } from 'node:http2';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { Fault } from '#base';
import type { RequestListener } from './any-request.ts';

/** Sockets at once; tools and scrapers need a handful. */
const CONNECTIONS_MAX = 1_000;
/** A client that connects speaks first, ms. */
const FIRST_BYTES_MS = 10_000;
const STREAMS_MAX = 100;
const CLOSE_MS = 1_000;
const PREFACE = Buffer.from('PRI * HTTP/2.0');

export interface OnePortServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface OnePortOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly onRequest: RequestListener;
}

/** Rejects with Fault WEIR_PORT_IN_USE when the port is taken. */
export async function openOnePort(options: OnePortOptions): Promise<OnePortServer> {
  const { host, port, onRequest } = options;
  const http = createHttpServer(onRequest);
  const http2 = createHttp2Server({ settings: { maxConcurrentStreams: STREAMS_MAX } }, onRequest);
  const sessions = new Set<ServerHttp2Session>();
  http2.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    // A connection that breaks is the client's matter; without a listener it would be ours.
    session.on('error', () => session.destroy());
  });
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    demultiplex(socket, (isHttp2) => (isHttp2 ? http2 : http).emit('connection', socket));
  });
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, host, port);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      http.closeIdleConnections();
      for (const session of sessions) session.close();
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, CLOSE_MS);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** Calls `onKind` when the first bytes tell; destroys a socket that stays silent. */
function demultiplex(socket: Socket, onKind: (isHttp2: boolean) => void): void {
  let seen = Buffer.alloc(0);
  socket.setTimeout(FIRST_BYTES_MS, () => socket.destroy());
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? Buffer.from(chunk) : Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    const isPreface = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (isPreface && length < PREFACE.length) return;
    socket.off('data', onData);
    socket.removeAllListeners('timeout');
    socket.setTimeout(0);
    socket.pause();
    socket.unshift(seen);
    onKind(isPreface);
    if (!isPreface) socket.resume();
  };
  socket.on('data', onData);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      const fault = `port ${port} on ${host} is in use: set WEIR_HTTP_PORT to another one`;
      reject(taken ? new Fault('WEIR_PORT_IN_USE', fault, cause) : cause);
    });
    server.listen(port, host, resolve);
  });
}
