/**
 * Webhook receiver of the demo — consents to deliveries and hands each CloudEvent on.
 *
 * Handshake: OPTIONS with WebHook-Request-Origin is answered with WebHook-Allowed-Origin, as the
 *            abuse protection of the CloudEvents webhook specification asks.
 * Takes one event or a batch; a body that is none is answered 400. `/readyz` is for the supervisor.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { LOOPBACK } from '../dev/ports.ts';

/** Bytes of one delivery: far above what a thermostat sends. */
const BODY_BYTES_MAX = 1_048_576;

export interface CloudEvent {
  readonly id: string;
  readonly subject?: string;
  readonly data?: unknown;
}

export function serveDemoWebhook(
  port: number,
  onEvent: (event: CloudEvent) => void,
): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url === '/readyz') response.end('ready\n');
    else if (request.method === 'OPTIONS') consent(request, response);
    else if (request.method === 'POST') takeEvents(request, response, onEvent);
    else response.writeHead(405, { allow: 'OPTIONS, POST' }).end();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, () => resolve(server));
  });
}

function consent(request: IncomingMessage, response: ServerResponse): void {
  const origin = request.headers['webhook-request-origin'];
  const headers = {
    allow: 'OPTIONS, POST',
    'webhook-allowed-origin': typeof origin === 'string' ? origin : '*',
    'webhook-allowed-rate': '*',
  };
  response.writeHead(200, headers).end();
}

function takeEvents(
  request: IncomingMessage,
  response: ServerResponse,
  onEvent: (event: CloudEvent) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  });
  request.on('error', () => response.destroy());
  request.on('end', () => {
    const events = bytes > BODY_BYTES_MAX ? undefined : parseEvents(Buffer.concat(chunks));
    for (const event of events ?? []) onEvent(event);
    response.writeHead(events === undefined ? 400 : 204).end();
  });
}

function parseEvents(body: Buffer): CloudEvent[] | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString());
    const events = Array.isArray(parsed) ? parsed : [parsed];
    return events.every(isEvent) ? events : undefined;
  } catch {
    // No JSON: the caller answers 400.
    return undefined;
  }
}

function isEvent(value: unknown): value is CloudEvent {
  return typeof value === 'object' && value !== null && 'id' in value && 'specversion' in value;
}
