/**
 * Health — /livez, /readyz and /metrics of a process over plain HTTP.
 *
 * livez:  200 as long as the event loop answers. readyz: 200 when every part is ready, else 503;
 *         the JSON body names each part and why it is not ready.
 * Ends:   `close` lets answers under way finish, then cuts what is idle. Other paths are 404 unless
 *         `extra` takes them. Not secured: bind it to loopback or a cluster-internal address.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Fault } from '#base';
import { METRICS_CONTENT_TYPE } from './metrics.ts';
import type { Metrics } from './metrics.ts';

export interface Health {
  /** `why` is shown while the part is not ready; a constant phrase. */
  setReady(part: string, ready: boolean, why?: string): void;
  /** True when at least one part is known and all are ready. */
  readonly ready: boolean;
  /** Parts that are not ready, with the reason of each. */
  readonly missing: Readonly<Record<string, string>>;
  readonly parts: readonly string[];
}

/** `parts` are named at the start, so that nothing counts as ready before it said so. */
export function createHealth(...parts: readonly string[]): Health {
  const known = new Map<string, string | undefined>(parts.map((part) => [part, 'starting']));
  return {
    setReady: (part, ready, why) => {
      known.set(part, ready ? undefined : (why ?? 'not ready'));
    },
    get ready() {
      if (known.size === 0) return false;
      for (const why of known.values()) if (why !== undefined) return false;
      return true;
    },
    get missing() {
      const missing: Record<string, string> = {};
      for (const [part, why] of known) if (why !== undefined) missing[part] = why;
      return missing;
    },
    get parts() {
      return [...known.keys()];
    },
  };
}

/** Takes a request and answers true, or leaves it alone and answers false. */
export type RequestTaker = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface HealthOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly extra?: RequestTaker;
}

export interface HealthServer {
  readonly port: number;
  /** May be called twice. */
  close(): Promise<void>;
}

/** For a process that has an HTTP server of its own: takes the three paths. */
export function healthPaths(metrics: Metrics, health: Health): RequestTaker {
  return (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0];
    if (path !== '/livez' && path !== '/readyz' && path !== '/metrics') return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else if (path === '/livez') answerJson(response, 200, { alive: true });
    else if (path === '/readyz') {
      const { ready, missing, parts } = health;
      answerJson(response, ready ? 200 : 503, { ready, parts, missing });
    } else void answerMetrics(response, metrics);
    return true;
  };
}

/** Rejects with Fault WEIR_PORT_IN_USE when the port is taken. */
export async function serveHealth(options: HealthOptions): Promise<HealthServer> {
  const { host, port, metrics, health, extra } = options;
  const take = healthPaths(metrics, health);
  const server = createServer((request, response) => {
    if (take(request, response) || extra?.(request, response) === true) return;
    answerJson(response, 404, { error: 'not found' });
  });
  await listen(server, host, port);
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return { port: bound, close: () => closeServer(server) };
}

function answerJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

async function answerMetrics(response: ServerResponse, metrics: Metrics): Promise<void> {
  try {
    const text = await metrics.text();
    response.writeHead(200, { 'content-type': METRICS_CONTENT_TYPE }).end(text);
  } catch (cause) {
    answerJson(response, 500, { error: `metrics cannot be read: ${String(cause)}` });
  }
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

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
