/**
 * Connection — one client's socket, decoder, session and output; the core's LocalClient.
 *
 * Shape: bytes in → packets → session → effects. Nothing is decoded while a hold stands (the core
 *        pauses, CONNECT is being decided, the client does not read its output, the session is
 *        full): the socket is paused and the rest of the read stays in the decoder.
 * Owner: the edge. Ends once, by `session.end`, whatever the cause; then it gives everything back.
 * Cost:  per message no promise, closure or event.
 * Fault: an unexpected error ends this connection as `internal_error`, never the process.
 */
import type { Reason, Timer } from '#base';
import { PacketDecoder, PublishView } from '#mqtt';
import type { AuthPacket, ConnectPacket, Will } from '#mqtt';
import type { Access, Credentials, Identity } from '#registry';
import { Session } from '#session';
import type { Departure, GrantedSubscription, SessionGrant, SessionPort } from '#session';
import type { ClientSocket } from './client-socket.ts';
import { ConnectionOutput } from './connection-output.ts';
import { credentialsOf, renewed } from './credentials.ts';
import type { EdgeParts } from './edge-parts.ts';
import type { WheelEntry } from './keep-alive-wheel.ts';
import {
  CONNECT_DECISION_SECONDS,
  CONNECT_TIMEOUT_SECONDS,
  FAREWELL_MS,
  OUTPUT_HOLD_BYTES,
} from './limits.ts';
import type { PeerCertificates } from './peer-certificates.ts';
import { PacketSender } from './packet-sender.ts';
import { PermissionCache } from './permission-cache.ts';
import type { Delivery, LiveHold, LocalClient } from './port.ts';

/** Why nothing is decoded at the moment; bits. */
const HOLD_CORE = 1;
const HOLD_CONNECT = 2;
const HOLD_OUTPUT = 4;
const HOLD_SESSION = 8;

/** 1.5 times the keep alive [MQTT-3.1.2-22]. */
const KEEP_ALIVE_GRACE = 1.5;
const NO_ACCESS: Access = { mayPublish: () => false, maySubscribe: () => false };

export class Connection implements LocalClient, SessionPort, WheelEntry {
  readonly connectionNumber: number;
  readonly session: Session;
  /** Undefined on the open listener: nobody asks who is there. */
  readonly certificates: PeerCertificates | undefined;
  identity: Identity | undefined;
  /** What authentication was asked with; kept to ask again. Set with CONNECT. */
  credentials: Credentials | undefined;
  /** More about the reason, for the log line at the end. */
  endDetail: string | undefined;
  heardTick = 0;
  spanTicks = 0;
  slot = -1;

  readonly #parts: EdgeParts;
  readonly #socket: ClientSocket;
  /** What a proxy said; undefined: the socket knows. */
  readonly #address: string | undefined;
  readonly #decoder: PacketDecoder;
  readonly #output: ConnectionOutput;
  readonly #sender: PacketSender;
  readonly #permissions = new PermissionCache(NO_ACCESS);
  #holds = 0;
  #isReading = false;
  #connectAtMs = 0;
  /** CONNACK was sent. */
  #isServed = false;
  #farewellTimer: Timer | undefined;

  constructor(
    parts: EdgeParts,
    connectionNumber: number,
    socket: ClientSocket,
    certificates: PeerCertificates | undefined,
    address?: string,
  ) {
    this.#parts = parts;
    this.connectionNumber = connectionNumber;
    this.#socket = socket;
    this.#address = address;
    this.certificates = certificates;
    const { limits, core } = parts;
    this.#decoder = new PacketDecoder({
      packetBytesMax: limits.maximumPacketSizeBytes,
      topicAliasMaximum: limits.topicAliasMaximum,
    });
    this.#output = new ConnectionOutput(socket, parts.schedule, parts.metrics, (held) =>
      this.#hold(HOLD_OUTPUT, held),
    );
    this.#sender = new PacketSender(this.#output, parts.metrics, parts.clock);
    const assignIdentifier = (): string => `auto-${core.incarnation}-${connectionNumber}`;
    this.session = new Session(this, this.#sender, limits, assignIdentifier);
    parts.wheel.arm(this, CONNECT_TIMEOUT_SECONDS);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => this.session.end('connection_lost'));
    socket.on('close', () => this.#closed());
    if (parts.isPaused()) this.corePaused(true);
  }

  get clientIdentifier(): string {
    return this.session.terms?.clientIdentifier ?? '';
  }
  get cleanStart(): boolean {
    return this.session.terms?.cleanStart ?? true;
  }
  get sessionExpirySeconds(): number {
    return this.session.terms?.sessionExpirySeconds ?? 0;
  }
  get will(): Will | undefined {
    return this.session.terms?.will;
  }
  get authenticationName(): string {
    return this.identity?.authenticationName ?? '';
  }

  // —— bytes in

  #read(chunk: Buffer): void {
    this.#parts.metrics.bytesReceived += chunk.length;
    if (this.session.phase === 'ended') return;
    try {
      this.#decoder.push(chunk);
      this.#decode();
    } catch (error) {
      this.#fail(error);
    }
  }

  #decode(): void {
    const decoder = this.#decoder;
    const { session } = this;
    this.#isReading = true;
    while (this.#holds === 0) {
      const packet = decoder.next();
      if (packet === undefined) break;
      if (packet instanceof PublishView) {
        this.heardTick = this.#parts.wheel.tick;
        session.receive(packet);
      } else if (packet.kind === 'fault') {
        session.fault(packet, decoder.protocolVersion);
      } else {
        this.heardTick = this.#parts.wheel.tick;
        session.receive(packet);
      }
      if (session.phase === 'ended') break;
    }
    this.#isReading = false;
  }

  /** After a hold: what is left of the last read, then the socket again. */
  goOn(): void {
    if (this.#holds !== 0 || this.session.phase === 'ended') return;
    try {
      this.#decode();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#holds === 0) this.#socket.resume();
  }

  corePaused(paused: boolean): void {
    this.#hold(HOLD_CORE, paused);
  }
  holdInput(held: boolean): void {
    this.#hold(HOLD_SESSION, held);
  }

  #hold(bit: number, held: boolean): void {
    if (this.session.phase === 'ended') return;
    const before = this.#holds;
    this.#holds = held ? before | bit : before & ~bit;
    if (before === 0 && this.#holds !== 0) {
      this.#parts.metrics.inputHolds++;
      this.#socket.pause();
    } else if (before !== 0 && this.#holds === 0) {
      // Silence that we made ourselves does not count.
      this.heardTick = this.#parts.wheel.tick;
      if (!this.#isReading) this.#parts.resumptions.add(this);
      else this.#socket.resume();
    }
  }

  // —— CONNECT

  authenticate(packet: ConnectPacket): void {
    this.#sender.setTerms(packet.protocolVersion, packet.maximumPacketSize);
    this.credentials = credentialsOf(packet, this.clientIdentifier, this.certificates);
    this.#connectAtMs = this.#parts.clock.nowMs();
    this.#hold(HOLD_CONNECT, true);
    this.#parts.wheel.arm(this, CONNECT_DECISION_SECONDS);
    this.#parts.connects.begin(this);
  }

  /** AUTH of a client that has a new token. */
  reauthenticate(packet: AuthPacket): void {
    if (this.credentials === undefined) return;
    this.#parts.connects.renew(this, renewed(this.credentials, packet.authenticationData));
  }

  /** The permissions of this connection from now on. */
  setAccess(access: Access): void {
    this.#permissions.reset(access);
  }

  /** Authenticated, and the client identifier is ours. */
  granted(grant: SessionGrant): void {
    if (this.session.phase !== 'connecting') return;
    const { metrics, clock, wheel } = this.#parts;
    this.session.granted(grant);
    // The CONNACK did not fit the client.
    if (!this.session.isOpen) return;
    this.#isServed = true;
    metrics.sessionsOpen++;
    metrics.connectSeconds.observe((clock.nowMs() - this.#connectAtMs) / 1_000);
    const keepAliveSeconds = this.session.terms?.keepAliveSeconds ?? 0;
    if (keepAliveSeconds === 0) wheel.disarm(this);
    else wheel.arm(this, keepAliveSeconds * KEEP_ALIVE_GRACE);
    this.#hold(HOLD_CONNECT, false);
  }

  /** Nothing was heard for the whole time-out. */
  onSilence(): void {
    const { phase, terms } = this.session;
    if (phase === 'connecting') {
      this.session.end('server_unavailable');
    } else if (this.#holds !== 0) {
      // It is us who do not listen.
      const keepAliveSeconds = (terms?.keepAliveSeconds ?? 0) * KEEP_ALIVE_GRACE;
      this.#parts.wheel.arm(this, phase === 'open' ? keepAliveSeconds : CONNECT_TIMEOUT_SECONDS);
    } else this.session.end(phase === 'open' ? 'keep_alive_timeout' : 'connect_timeout');
  }

  // —— effects of the session

  mayPublish(view: PublishView): boolean {
    return this.#permissions.mayPublish(view);
  }
  maySubscribe(topicFilter: string): boolean {
    return this.#permissions.maySubscribe(topicFilter);
  }

  publish(view: PublishView, token: number): void {
    this.#parts.core.publish(this, view, this.#permissions.topicKey, token);
  }

  subscribe(subscriptions: readonly GrantedSubscription[], onEffective: () => void): void {
    this.#parts.core.subscribe(this, subscriptions, onEffective);
  }
  unsubscribe(topicFilters: readonly string[], onEffective: () => void): readonly boolean[] {
    return this.#parts.core.unsubscribe(this, topicFilters, onEffective);
  }
  releasePublish(packetIdentifier: number): void {
    this.#parts.core.releasePublish(this, packetIdentifier);
  }
  settled(ticket: number): void {
    this.#parts.core.settled(this, ticket);
  }
  storeOut(packetIdentifier: number, ticket: number): void {
    this.#parts.core.storeOut(this, packetIdentifier, ticket);
  }
  storeReceived(packetIdentifier: number): void {
    this.#parts.core.storeReceived(this, packetIdentifier);
  }
  storeFinished(packetIdentifier: number): void {
    this.#parts.core.storeFinished(this, packetIdentifier);
  }

  dropped(reason: Reason): void {
    this.#parts.metrics.dropped[reason]++;
    this.#parts.log.dropped(reason, this.#fields());
  }

  // —— LocalClient: what the core hands in

  hold: LiveHold | undefined = undefined;

  get deliveryCountMax(): number {
    return this.session.terms?.deliveryCountMax ?? 1;
  }
  get hasCapacity(): boolean {
    return this.#waitingBytes <= this.#parts.outboundBytesMax;
  }
  get hasRoom(): boolean {
    return this.#waitingBytes * 2 <= this.#parts.outboundBytesMax;
  }
  get #waitingBytes(): number {
    return this.#output.pendingBytes + this.session.backlogBytes;
  }

  deliver(
    view: PublishView,
    qos: 0 | 1 | 2,
    delivery: Delivery,
    ticket: number,
    packetIdentifier: number,
  ): void {
    if (!this.hasCapacity && !this.#takesMore(qos, ticket)) return;
    try {
      this.session.deliver(view, qos, delivery, ticket, packetIdentifier);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The client is slow. A stored session's core asks `hasCapacity`: what still comes stays. */
  #takesMore(qos: 0 | 1 | 2, ticket: number): boolean {
    if (qos > 0 && this.session.isStored) return true;
    if (qos > 0) this.session.end('slow_consumer');
    else {
      this.#parts.metrics.dropped.qos0_slow_consumer++;
      if (ticket > 0) this.settled(ticket);
    }
    return false;
  }

  appended(token: number, outcome: 'stored' | 'full'): void {
    try {
      this.session.appended(token, outcome);
    } catch (error) {
      this.#fail(error);
    }
  }
  released(packetIdentifier: number): void {
    this.#tell('released', packetIdentifier);
  }
  outStored(packetIdentifier: number): void {
    this.#tell('outStored', packetIdentifier);
  }
  receivedStored(packetIdentifier: number): void {
    this.#tell('receivedStored', packetIdentifier);
  }
  #tell(what: 'released' | 'outStored' | 'receivedStored', packetIdentifier: number): void {
    try {
      this.session[what](packetIdentifier);
    } catch (error) {
      this.#fail(error);
    }
  }
  freeIdentifier(packetIdentifier: number): void {
    this.session.freeIdentifier(packetIdentifier);
  }

  close(reason: Reason): void {
    this.session.end(reason);
  }

  // —— the end

  /** Called once by the session. */
  end(reason: Reason, farewell: Buffer | undefined, departure: Departure): void {
    const { metrics, wheel, core, log, clock } = this.#parts;
    metrics.ended[reason]++;
    if (this.#isServed) metrics.sessionsOpen--;
    wheel.disarm(this);
    this.#parts.forget(this);
    core.disconnect(this, departure);
    log.ended(reason, this.#isServed, { detail: this.endDetail, ...this.#fields() });
    const socket = this.#socket;
    if (socket.destroyed || this.#output.pendingBytes > OUTPUT_HOLD_BYTES) {
      this.#output.discard();
      socket.destroy();
      return;
    }
    this.#output.finish(farewell);
    // What still comes is thrown away: closing with unread bytes would make a reset of it, and
    // the client might lose our farewell.
    socket.resume();
    this.#farewellTimer = clock.after(FAREWELL_MS, () => socket.destroy());
  }

  #closed(): void {
    this.session.end('connection_lost');
    this.#output.discard();
    if (this.#farewellTimer !== undefined) this.#parts.clock.cancel(this.#farewellTimer);
  }

  #fail(error: unknown): void {
    this.#isReading = false;
    this.#parts.log.failed(error, this.#fields());
    try {
      this.session.end('internal_error');
    } catch {
      this.#socket.destroy();
    }
  }

  #fields(): object {
    return {
      connection: this.connectionNumber,
      clientId: this.clientIdentifier,
      client: this.identity?.clientName,
      address: this.#address ?? this.#socket.remoteAddress,
    };
  }
}
