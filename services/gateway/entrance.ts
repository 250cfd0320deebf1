/**
 * Entrance — the way of a socket from its acceptance to a connection that speaks MQTT.
 *
 *     accept → PROXY header → allowed address → TLS handshake → ALPN or first byte → upgrade → MQTT
 *
 * A listener has the steps that its plan names; a plain TCP client has none and is a connection at
 * once. Each step has a time-out of its own on the wheel, and each refusal a reason.
 * Bound: `connectionCountMax` sockets in all and per listener; HANDSHAKES_WAITING_MAX handshakes.
 * Full:  the socket is closed as `server_busy` or `listener_full`.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock, Reason } from '#base';
import type { ClientSocket } from './client-socket.ts';
import type { ConnectionLog } from './connection-log.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import { Handshake } from './handshake.ts';
import type { HandshakeOutcome } from './handshake.ts';
import { HandshakeQueue } from './handshake-queue.ts';
import type { KeepAliveWheel } from './keep-alive-wheel.ts';
import { CONNECT_TIMEOUT_SECONDS, PROXY_HEADER_SECONDS } from './limits.ts';
import { listen } from './listener.ts';
import type { Listener } from './listener.ts';
import type { ListenerPlan } from './listener-plan.ts';
import { protocolsOf } from './listener-plan.ts';
import type { PeerCertificates } from './peer-certificates.ts';
import { peerCertificatesOf } from './peer-certificates.ts';
import { Preamble } from './preamble.ts';
import { readProxyHeader } from './proxy-header.ts';
import type { ProxyHeader } from './proxy-header.ts';
import type { WebSocketStream } from './websocket-stream.ts';
import { WebSocketUpgrade } from './websocket-upgrade.ts';

/** MQTT begins with 0x10 (CONNECT), an HTTP upgrade with `GET `. */
const FIRST_BYTE_OF_GET = 0x47;

export interface Arrival {
  readonly socket: ClientSocket;
  /** Undefined without TLS. */
  readonly certificates: PeerCertificates | undefined;
  /** What a PROXY header said; undefined: the socket knows. */
  readonly address: string | undefined;
  /** Set when the socket is a WebSocket: its faults go to the connection. */
  readonly webSocket: WebSocketStream | undefined;
}

export interface EntranceOptions {
  readonly clock: Clock;
  readonly wheel: KeepAliveWheel;
  readonly metrics: GatewayMetrics;
  readonly log: ConnectionLog;
  readonly connectionCountMax: number;
  readonly webSocketMessageBytesMax: number;
  readonly onArrival: (arrival: Arrival) => void;
}

/** A listener and how many of its sockets are open. */
interface Gate {
  readonly name: string;
  readonly plan: ListenerPlan;
  openCount: number;
}

export class Entrance {
  readonly #options: EntranceOptions;
  readonly #handshakes: HandshakeQueue;
  readonly #upgrade: WebSocketUpgrade;
  readonly #listeners: Listener[] = [];

  constructor(options: EntranceOptions) {
    this.#options = options;
    const { clock, metrics, wheel, webSocketMessageBytesMax } = options;
    this.#upgrade = new WebSocketUpgrade(wheel, webSocketMessageBytesMax);
    this.#handshakes = new HandshakeQueue(clock, (handshake) => {
      metrics.handshakesWaiting = this.#handshakes.size;
      handshake.begin();
    });
  }

  async open(plan: ListenerPlan): Promise<Listener> {
    const gate: Gate = { name: plan.name, plan, openCount: 0 };
    const listener = await listen(plan.host, plan.port, (socket) => this.#accept(gate, socket));
    this.#listeners.push(listener);
    this.#options.metrics.listeners.push(gate);
    return listener;
  }

  /** Accepts nothing more. What is on its way in may arrive. */
  close(): void {
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  #accept(gate: Gate, socket: Socket): void {
    const { metrics, connectionCountMax } = this.#options;
    metrics.connectionsAccepted++;
    const { connectionCountMax: gateCountMax = connectionCountMax } = gate.plan;
    if (metrics.connectionsOpen >= connectionCountMax || this.#handshakes.isFull) {
      metrics.ended.server_busy++;
      this.#drop(socket);
      return;
    }
    if (gate.openCount >= gateCountMax) {
      this.#refuse(gate, socket, 'listener_full', { limit: gateCountMax });
      return;
    }
    metrics.connectionsOpen++;
    gate.openCount++;
    socket.once('close', () => {
      metrics.connectionsOpen--;
      gate.openCount--;
    });
    const { proxiesFrom } = gate.plan;
    if (proxiesFrom === undefined) this.#admit(gate, socket, undefined);
    else if (proxiesFrom.has(socket.remoteAddress)) this.#readProxyHeader(gate, socket);
    else this.#refuse(gate, socket, 'proxy_untrusted');
  }

  #readProxyHeader(gate: Gate, socket: Socket): void {
    const { wheel } = this.#options;
    const look = (bytes: Buffer): { verdict: ProxyHeader; takenBytes: number } | undefined => {
      const verdict = readProxyHeader(bytes);
      if (verdict.kind === 'unfinished') return undefined;
      return { verdict, takenBytes: verdict.kind === 'complete' ? verdict.length : 0 };
    };
    const preamble = new Preamble(socket, look, (verdict) => {
      wheel.disarm(preamble);
      if (verdict === 'timed_out') {
        this.#refuse(gate, socket, 'proxy_header_invalid', { detail: 'not complete in time' });
      } else if (verdict === 'closed') {
        const isProbe = preamble.bytes.length === 0;
        this.#refuse(gate, socket, isProbe ? 'connection_lost' : 'proxy_header_invalid');
      } else if (verdict.kind === 'complete') this.#admit(gate, socket, verdict.address);
      else if (verdict.kind === 'invalid') {
        this.#refuse(gate, socket, 'proxy_header_invalid', { detail: verdict.says });
      }
    });
    wheel.arm(preamble, PROXY_HEADER_SECONDS);
  }

  #admit(gate: Gate, socket: Socket, proxied: string | undefined): void {
    const { allowedFrom, tlsOffer } = gate.plan;
    if (allowedFrom !== undefined && !allowedFrom.has(proxied ?? socket.remoteAddress)) {
      this.#refuse(gate, socket, 'source_not_allowed', { client: proxied });
    } else if (tlsOffer === undefined) this.#choose(gate, socket, proxied);
    else this.#shakeHands(gate, socket, proxied);
  }

  #shakeHands(gate: Gate, socket: Socket, proxied: string | undefined): void {
    const { metrics, wheel } = this.#options;
    const onHello = (): void => {
      this.#handshakes.add(handshake);
      metrics.handshakesWaiting = this.#handshakes.size;
    };
    const onDone = (outcome: HandshakeOutcome): void => {
      wheel.disarm(handshake);
      this.#handshakes.remove(handshake);
      const { secure } = handshake;
      if (outcome === 'secure' && secure !== undefined) this.#choose(gate, secure, proxied);
      else metrics.ended[outcome === 'timed_out' ? 'connect_timeout' : 'tls_handshake_failed']++;
    };
    const { tlsOffer } = gate.plan;
    if (tlsOffer === undefined) return;
    const handshake = new Handshake({
      raw: socket,
      offer: tlsOffer,
      protocols: protocolsOf(gate.plan),
      onHello,
      onDone,
    });
    wheel.arm(handshake, CONNECT_TIMEOUT_SECONDS);
  }

  /** MQTT or HTTP? */
  #choose(gate: Gate, socket: Socket | TLSSocket, proxied: string | undefined): void {
    const { speaks } = gate.plan;
    const named = 'alpnProtocol' in socket ? socket.alpnProtocol : false;
    if (speaks === 'mqtt' || (speaks === 'both' && named === 'mqtt')) {
      this.#arrive(gate, socket, proxied);
    } else if (speaks === 'websocket' || named === 'http/1.1') {
      this.#shakeWebSocketHands(gate, socket, proxied);
    } else this.#listenFirst(gate, socket, proxied);
  }

  #listenFirst(gate: Gate, socket: Socket, proxied: string | undefined): void {
    const { wheel } = this.#options;
    const look = (bytes: Buffer): { verdict: 'http' | 'mqtt'; takenBytes: number } => {
      return { verdict: bytes[0] === FIRST_BYTE_OF_GET ? 'http' : 'mqtt', takenBytes: 0 };
    };
    const preamble = new Preamble(socket, look, (verdict) => {
      wheel.disarm(preamble);
      if (verdict === 'http') this.#shakeWebSocketHands(gate, socket, proxied);
      else if (verdict === 'mqtt') this.#arrive(gate, socket, proxied);
      else {
        const reason = verdict === 'closed' ? 'connection_lost' : 'connect_timeout';
        this.#refuse(gate, socket, reason, { client: proxied });
      }
    });
    wheel.arm(preamble, CONNECT_TIMEOUT_SECONDS);
  }

  #shakeWebSocketHands(gate: Gate, socket: Socket, proxied: string | undefined): void {
    const { metrics } = this.#options;
    this.#upgrade.begin(socket, gate.plan.webSocket, (outcome) => {
      if (outcome.ok) {
        this.#arrive(gate, socket, proxied, outcome.stream);
        return;
      }
      const { reason, detail } = outcome;
      metrics.ended[reason]++;
      this.#say(gate, socket, reason, { client: proxied, detail });
    });
  }

  #arrive(
    gate: Gate,
    socket: Socket | TLSSocket,
    address: string | undefined,
    webSocket?: WebSocketStream,
  ): void {
    const isSecure = gate.plan.tlsOffer !== undefined;
    const certificates = isSecure ? peerCertificatesOf(socket as TLSSocket) : undefined;
    this.#options.onArrival({ socket: webSocket ?? socket, certificates, address, webSocket });
  }

  #refuse(gate: Gate, socket: Socket, reason: Reason, more: object = {}): void {
    this.#options.metrics.ended[reason]++;
    this.#say(gate, socket, reason, more);
    this.#drop(socket);
  }

  #say({ plan }: Gate, socket: Socket, reason: Reason, more: object): void {
    const address = socket.remoteAddress;
    this.#options.log.ended(reason, false, { listener: plan.name, address, ...more });
  }

  #drop(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    socket.destroy();
  }
}
