/**
 * WebSocket upgrade — the HTTP request that begins MQTT over WebSocket, answered or refused.
 *
 * Shape: sockets that we have accepted, over TLS or not, are handed to an HTTP server that listens
 *        nowhere; a good request leaves it as a WebSocket. Anything else gets an HTTP answer that
 *        says what is wrong, and the end.
 * Bound: REQUEST_BYTES_MAX of request, one request per connection, CONNECT_TIMEOUT_SECONDS for all
 *        of it. A message is at most `messageBytesMax`; more is refused when it is announced.
 * Asks:  the path; subprotocol `mqtt` [MQTT-6.0.0-3], which the answer names [MQTT-6.0.0-4]; and
 *        the Origin, if a list of origins is set: browsers send it, so that pages of others are
 *        told.
 */
import { createServer, STATUS_CODES } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Reason } from '#base';
import type { KeepAliveWheel, WheelEntry } from './keep-alive-wheel.ts';
import {
  CONNECT_TIMEOUT_SECONDS,
  FAREWELL_MS,
  WEBSOCKET_FRAGMENT_COUNT_MAX,
  WEBSOCKET_READ_BYTES_MIN,
  WEBSOCKET_REQUEST_BYTES_MAX,
} from './limits.ts';
import { WebSocketStream } from './websocket-stream.ts';

const SUBPROTOCOL = 'mqtt';
const STATUS_BAD_REQUEST = 400;
const STATUS_FORBIDDEN = 403;
const STATUS_NOT_FOUND = 404;
const STATUS_UPGRADE_REQUIRED = 426;
/** Characters of a refused origin in the log. */
const ORIGIN_SHOWN_MAX = 100;

/** Which requests are good. */
export interface WebSocketRules {
  readonly path: string;
  /** Undefined: every origin, and none, is. A request without one comes from no browser. */
  isOriginAllowed(origin: string): boolean;
}

export type UpgradeOutcome =
  | { readonly ok: true; readonly stream: WebSocketStream }
  | { readonly ok: false; readonly reason: Reason; readonly detail: string };

/** One socket between its acceptance and its upgrade. */
interface Pending extends WheelEntry {
  readonly rules: WebSocketRules;
  finish(outcome: UpgradeOutcome): void;
}

export class WebSocketUpgrade {
  readonly #wheel: KeepAliveWheel;
  readonly #pending = new Map<Duplex, Pending>();
  readonly #http = createServer({
    maxHeaderSize: WEBSOCKET_REQUEST_BYTES_MAX,
    keepAlive: false,
    insecureHTTPParser: false,
    requireHostHeader: false,
  });
  readonly #webSockets: WebSocketServer;

  constructor(wheel: KeepAliveWheel, messageBytesMax: number) {
    this.#wheel = wheel;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      skipUTF8Validation: true,
      maxPayload: messageBytesMax,
      maxFragments: WEBSOCKET_FRAGMENT_COUNT_MAX,
      maxBufferedChunks: Math.max(
        WEBSOCKET_FRAGMENT_COUNT_MAX,
        Math.ceil(messageBytesMax / WEBSOCKET_READ_BYTES_MIN),
      ),
      handleProtocols: () => SUBPROTOCOL,
      // The type of the library's options does not know this one yet.
      ...{ closeTimeout: FAREWELL_MS },
    });
    this.#webSockets.on('wsClientError', (error, socket, request) => {
      this.#refuse(request, socket, STATUS_BAD_REQUEST, error.message);
    });
    this.#http.on('request', (request, response) => this.#answer(request, response));
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      this.#failed(socket, error.code ?? error.message);
    });
  }

  /** The socket is ours until `onDone`, which is called once; after a refusal it is closed. */
  begin(socket: Socket, rules: WebSocketRules, onDone: (outcome: UpgradeOutcome) => void): void {
    const wheel = this.#wheel;
    const onClose = (): void => {
      pending.finish({ ok: false, reason: 'connection_lost', detail: 'before the upgrade' });
    };
    const pending: Pending = {
      heardTick: 0,
      spanTicks: 0,
      slot: -1,
      rules,
      onSilence: () => {
        pending.finish({ ok: false, reason: 'connect_timeout', detail: 'no upgrade in time' });
        socket.destroy();
      },
      finish: (outcome) => {
        if (!this.#pending.delete(socket)) return;
        wheel.disarm(pending);
        socket.off('close', onClose);
        onDone(outcome);
      },
    };
    this.#pending.set(socket, pending);
    socket.on('close', onClose);
    wheel.arm(pending, CONNECT_TIMEOUT_SECONDS);
    this.#http.emit('connection', socket);
  }

  /** A request that asks for no upgrade. */
  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const status = this.#isPath(request) ? STATUS_UPGRADE_REQUIRED : STATUS_NOT_FOUND;
    response.setHeader('connection', 'close');
    if (status === STATUS_UPGRADE_REQUIRED) response.setHeader('upgrade', 'websocket');
    response.writeHead(status, { 'content-type': 'text/plain' });
    const detail = 'no WebSocket request';
    response.end(`${detail}\n`, () => socket.destroySoon());
    this.#pending.get(socket)?.finish(refusal('websocket_handshake_invalid', detail));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const pending = this.#pending.get(socket);
    if (pending === undefined) {
      socket.destroy();
      return;
    }
    if (!this.#isPath(request)) {
      this.#refuse(request, socket, STATUS_NOT_FOUND, 'unknown path');
      return;
    }
    const { origin } = request.headers;
    if (origin !== undefined && !pending.rules.isOriginAllowed(origin)) {
      this.#refuse(request, socket, STATUS_FORBIDDEN, 'origin not allowed');
      return;
    }
    const offered = request.headers['sec-websocket-protocol'] ?? '';
    if (!offered.split(',').some((name) => name.trim() === SUBPROTOCOL)) {
      this.#refuse(request, socket, STATUS_BAD_REQUEST, 'subprotocol mqtt is not offered');
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const stream = new WebSocketStream(webSocket, request.socket.remoteAddress);
      pending.finish({ ok: true, stream });
    });
  }

  #isPath(request: IncomingMessage): boolean {
    const path = this.#pending.get(request.socket)?.rules.path;
    return request.url?.replace(/\?.*$/s, '') === path;
  }

  #refuse(request: IncomingMessage, socket: Duplex, status: number, detail: string): void {
    const version = request.headers['sec-websocket-version'];
    sayNo(socket, status, detail);
    const isOrigin = status === STATUS_FORBIDDEN;
    const reason = isOrigin ? 'websocket_origin_refused' : 'websocket_handshake_invalid';
    const more = isOrigin ? `: ${request.headers.origin?.slice(0, ORIGIN_SHOWN_MAX)}` : '';
    const asked = version === undefined || version === '13' ? '' : ` (version ${version})`;
    this.#pending.get(socket)?.finish(refusal(reason, `${detail}${more}${asked}`));
  }

  /** What is no HTTP, or ends in the middle of a request. */
  #failed(socket: Duplex, detail: string): void {
    if (socket.writable) sayNo(socket, STATUS_BAD_REQUEST, 'no HTTP request');
    else socket.destroy();
    this.#pending.get(socket)?.finish(refusal('websocket_handshake_invalid', detail));
  }
}

function refusal(reason: Reason, detail: string): UpgradeOutcome {
  return { ok: false, reason, detail };
}

function sayNo(socket: Duplex, status: number, detail: string): void {
  socket.on('error', () => socket.destroy());
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: text/plain',
    'Sec-WebSocket-Version: 13',
    `Content-Length: ${detail.length + 1}`,
  ];
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${detail}\n`);
}
