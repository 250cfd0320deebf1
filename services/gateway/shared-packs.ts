/**
 * Shared packs — messages of QoS 0 for shared subscriptions, each for one member, on their way to
 * other gateways (docs/adr/0013; proto/wire/frame.md).
 *
 * Shape: on `peer.<incarnation>` beside the packs of peer-exchange.ts, told by the version byte:
 *        (text length u16, text, message as in record.md) one after the other; a pack per turn.
 * Lost:  QoS 0 has no guarantee: what cannot be sent is dropped by name and counted.
 */
import { type Clock, Fault } from '#base';
import type { Bus } from '#bus';
import { peerSubject } from '#frames';
import { messageLength, readMessage, writeMessage } from '#log';
import { PublishView } from '#mqtt';
import { PEER_BYTES_MAX } from './peer-exchange.ts';

export const SHARED_PACK_VERSION = 2;
const VERSION = Buffer.from([SHARED_PACK_VERSION]);

interface Pack {
  readonly parts: Buffer[];
  bytes: number;
}

export class SharedPacks {
  messagesSent = 0;
  messagesReceived = 0;
  /** Dropped as `qos0_bus_unreachable`. */
  dropped = 0;
  /** Received packs of which some could not be read. */
  damaged = 0;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #packs = new Map<string, Pack>();
  readonly #view = new PublishView();

  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  send(incarnation: string, group: string, view: PublishView, expiresAtSeconds: number): void {
    const text = Buffer.from(group, 'utf8');
    const length = messageLength(view);
    const at = 2 + text.length;
    const part = Buffer.allocUnsafe(at + length);
    part.writeUInt16BE(text.length, 0);
    text.copy(part, 2);
    writeMessage(part, at, view, length, expiresAtSeconds, 0, false);
    let pack = this.#packs.get(incarnation);
    // A large message goes alone: with others it could be more than NATS takes.
    if (pack !== undefined && pack.bytes + part.length > PEER_BYTES_MAX) {
      this.#flush(incarnation, pack);
      pack = undefined;
    }
    if (pack === undefined) {
      pack = { parts: [VERSION], bytes: 1 };
      if (this.#packs.size === 0) this.#clock.whenIdle(() => this.#flushAll());
      this.#packs.set(incarnation, pack);
    }
    pack.parts.push(part);
    pack.bytes += part.length;
  }

  #flushAll(): void {
    for (const [incarnation, pack] of this.#packs) this.#flush(incarnation, pack);
    this.#packs.clear();
  }

  #flush(incarnation: string, { parts }: Pack): void {
    const count = parts.length - 1;
    if (this.#bus.publish(peerSubject(incarnation), Buffer.concat(parts))) {
      this.messagesSent += count;
    } else this.dropped += count;
  }

  /** Walks a pack from another gateway; `view` is borrowed for the call. */
  receive(pack: Buffer, onMessage: (group: string, view: PublishView) => void): void {
    try {
      for (let at = 1; at < pack.length;) {
        const textAt = at + 2;
        const messageAt = textAt + (textAt <= pack.length ? pack.readUInt16BE(at) : 0);
        if (messageAt >= pack.length) throw new Fault('WEIR_WIRE', 'shared pack ends in a text');
        const group = pack.toString('utf8', textAt, messageAt);
        at = readMessage(pack, messageAt, this.#view);
        this.messagesReceived++;
        onMessage(group, this.#view);
      }
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.damaged++;
    }
  }
}
