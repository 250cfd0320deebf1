/**
 * Listener — a port that accepts sockets; the entrance decides what becomes of them.
 */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { Fault } from '#base';
import { TCP_KEEP_ALIVE_MS } from './limits.ts';

/** Connections that the kernel completes before we accept them. */
const BACKLOG = 1_024;

export interface Listener {
  readonly port: number;
  /** Takes no more connections; those accepted stay. */
  close(): void;
}

/** Port 0 takes a free one. Rejects with Fault WEIR_PORT_IN_USE. */
export function listen(
  host: string,
  port: number,
  onSocket: (socket: Socket) => void,
): Promise<Listener> {
  const server = createServer(
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS },
    onSocket,
  );
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE';
      const says = `port ${port} of ${host} cannot be opened: ${cause.message}`;
      reject(new Fault(isTaken ? 'WEIR_PORT_IN_USE' : 'WEIR_CONFIG', says, cause));
    });
    server.listen({ host, port, backlog: BACKLOG }, () => resolve(listenerOf(server, port)));
  });
}

function listenerOf(server: Server, asked: number): Listener {
  // Accepting may fail for want of descriptors; the port itself goes on.
  server.removeAllListeners('error');
  server.on('error', () => server.listening);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : asked,
    close: () => {
      server.close();
    },
  };
}
