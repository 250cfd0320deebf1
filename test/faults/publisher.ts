/**
 * Publisher — messages at a steady pace, over connections that may be lost, kept in the ledger.
 *
 * Loss, QoS 1:  what had no PUBACK is published again, first and in the old order, as new messages.
 * Loss, QoS 2:  a stored session goes on as MQTT says: PUBLISH with DUP, or PUBREL, under the old
 *               identifiers; of a clean one nobody knows what became of what was open.
 * Impatience:   an acknowledgement that is late makes it go to another gateway, while the old one
 *               may still be about to append.
 * Bound:        OPEN_MAX open; then it waits, as a device would.
 */
import { setTimeout as pass } from 'node:timers/promises';
import type { Random } from '#base';
import type { Version } from '../fixtures/mqtt-client-encoder.ts';
import type { Broken } from './broken.ts';
import type { Entrance } from './entrance.ts';
import type { Ledger, Publication } from './ledger.ts';
import { MqttConnection, PATIENCE_MS } from './mqtt-connection.ts';
import type { AckKind } from './mqtt-connection.ts';

/** Below the Receive Maximum of the broker. */
const OPEN_MAX = 200;
const TICK_MS = 50;
/** Pace of a device that finds no gateway. */
const AGAIN_MS = 200;
/** Session Expiry Interval of everybody who is stored: longer than a run. */
export const EXPIRY_SECONDS = 3_600;
/** One of so many is large enough to fill a segment by itself. */
const LARGE_EVERY = 40;
const LARGE_PADDING = 'x'.repeat(6_000);

export interface PublisherOptions {
  readonly name: string;
  readonly ledger: Ledger;
  readonly entrance: Entrance;
  readonly random: Random;
  readonly topics: readonly string[];
  readonly perSecond: number;
  readonly qos: 0 | 1 | 2;
  readonly version: Version;
  readonly retain?: boolean;
  readonly isStored?: boolean;
  /** Default PATIENCE_MS. */
  readonly patienceMs?: number;
}

interface Open {
  readonly publication: Publication;
  /** When it was sent last. */
  sinceMs: number;
  isReleased: boolean;
}

export class Publisher {
  readonly options: PublisherOptions;
  readonly broken: Broken[] = [];
  connectionsLost = 0;
  /** By packet identifier, in the order of the first publish. */
  #open = new Map<number, Open>();
  #connection: MqttConnection | undefined;
  #gateway: string | undefined;
  #identifier = 0;
  #made = 0;
  #due = 0;
  #hasSession = false;
  #isPublishing = true;
  #isClosed = false;
  readonly #timer: NodeJS.Timeout;

  /** Connects and publishes from then on. */
  constructor(options: PublisherOptions) {
    this.options = options;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    void this.#connect();
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** No new messages; what is open still gets its acknowledgement. */
  stop(): void {
    this.#isPublishing = false;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#connection?.destroy();
  }

  async #connect(): Promise<void> {
    const { name, entrance, version, isStored = false } = this.options;
    while (!this.#isClosed) {
      const door = entrance.pick(name, this.#gateway);
      this.#gateway = door.gateway;
      try {
        await MqttConnection.open({
          ...{ port: door.port, version, clientIdentifier: name },
          expirySeconds: isStored ? EXPIRY_SECONDS : 0,
          events: {
            onOpen: (connection) => this.#use(connection),
            onPublish: () => this.#fault('unknown', 'a PUBLISH for a client without subscription'),
            onAck: (kind, identifier, code) => this.#acknowledged(kind, identifier, code),
            onEnd: () => this.#lost(),
          },
        });
        return;
      } catch {
        // Not there, or not yet: the next one.
        await pass(AGAIN_MS);
      }
    }
  }

  #use(connection: MqttConnection): void {
    if (this.#isClosed) {
      connection.destroy();
      return;
    }
    this.#connection = connection;
    const { sessionPresent } = connection.connack;
    const { isStored = false, qos } = this.options;
    if (isStored && this.#hasSession && !sessionPresent) {
      this.#fault('session', 'the session of a publisher is gone');
    }
    this.#hasSession = isStored;
    if (sessionPresent) this.#resume(connection);
    else if (qos === 1) this.#publishAgain(connection);
    else {
      for (const { publication } of this.#open.values()) {
        this.options.ledger.settle(publication, 'unsure');
      }
      this.#open.clear();
    }
  }

  #resume(connection: MqttConnection): void {
    for (const [packetIdentifier, open] of this.#open) {
      const { publication, isReleased } = open;
      open.sinceMs = performance.now();
      if (isReleased) connection.ack('pubrel', packetIdentifier);
      else this.#send(connection, packetIdentifier, publication, true);
      // At QoS 1 a repeat is a new message to the broker, whatever DUP says.
      if (publication.qos === 1) publication.repeats += 1;
    }
  }

  #publishAgain(connection: MqttConnection): void {
    const before = this.#open;
    this.#open = new Map();
    for (const { publication } of before.values()) {
      publication.repeats += 1;
      this.#sendNew(connection, publication);
    }
  }

  #tick(): void {
    const connection = this.#connection;
    this.#due += (TICK_MS / 1_000) * this.options.perSecond;
    // What a loss or a full window held back is not made up for: the pace stays steady.
    const count = Math.floor(this.#due);
    this.#due -= count;
    if (connection === undefined || !connection.isOpen) return;
    const patienceMs = this.options.patienceMs ?? PATIENCE_MS;
    const [oldest] = this.#open.values();
    if (oldest !== undefined && performance.now() - oldest.sinceMs > patienceMs) {
      connection.destroy();
      this.#lost();
      return;
    }
    if (!this.#isPublishing) return;
    for (let i = 0; i < count && this.#open.size < OPEN_MAX; i++) this.#publishNew(connection);
  }

  #publishNew(connection: MqttConnection): void {
    const { ledger, name, topics, qos, retain = false } = this.options;
    const topic = topics[this.#made++ % topics.length] ?? '';
    const publication = ledger.add({ publisher: name, topic, qos, retain });
    if (qos > 0) this.#sendNew(connection, publication);
    else {
      ledger.settle(publication, 'unsure');
      this.#send(connection, 0, publication, false);
    }
  }

  #sendNew(connection: MqttConnection, publication: Publication): void {
    do this.#identifier = (this.#identifier % 65_535) + 1;
    while (this.#open.has(this.#identifier));
    const open = { publication, sinceMs: performance.now(), isReleased: false };
    this.#open.set(this.#identifier, open);
    this.#send(connection, this.#identifier, publication, false);
  }

  #send(
    connection: MqttConnection,
    packetIdentifier: number,
    publication: Publication,
    dup: boolean,
  ): void {
    const { topic, qos, retain, id } = publication;
    const padding = id % LARGE_EVERY === LARGE_EVERY - 1 ? LARGE_PADDING : '';
    const payload = Buffer.from(this.options.ledger.content(publication, padding));
    connection.publish({ topic, payload, qos, retain, dup, packetIdentifier });
  }

  #acknowledged(kind: AckKind, packetIdentifier: number, code: number): void {
    const open = this.#open.get(packetIdentifier);
    if (open === undefined) {
      if (kind === 'pubrec') this.#connection?.ack('pubrel', packetIdentifier);
      else this.#fault('terms', `${kind} ${packetIdentifier} for nothing that is open`);
      return;
    }
    const { publication } = open;
    if (kind === 'pubrec' && code < 0x80) {
      open.isReleased = true;
      this.#connection?.ack('pubrel', packetIdentifier);
      return;
    }
    this.#open.delete(packetIdentifier);
    // PUBCOMP that knows no such identifier says that all was done before.
    const isTaken = kind === 'pubcomp' || code < 0x80;
    // A repeat may have been taken before this one was refused.
    const refusal = publication.repeats > 0 ? 'unsure' : 'refused';
    this.options.ledger.settle(publication, isTaken ? 'acknowledged' : refusal);
  }

  #lost(): void {
    this.#connection = undefined;
    if (this.#isClosed) return;
    this.connectionsLost += 1;
    void this.#connect();
  }

  #fault(what: Broken['what'], text: string): void {
    this.broken.push({ what, who: this.options.name, text, atMs: performance.now() });
  }
}
