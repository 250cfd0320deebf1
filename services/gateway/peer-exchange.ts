/**
 * Peer exchange — QoS 0 between gateways, directly, where the other has a subscriber (ADR 0006).
 *
 * Shape: the interest of all other live gateways in one index; per gateway one growing buffer that
 *        leaves when the loop is idle or PEER_BYTES_MAX is reached.
 * Owner: one per gateway. Cost: the others' distinct filters, one buffer per gateway.
 * Lost:  QoS 0 has no guarantee: what cannot be sent is dropped by name and counted.
 * Heard: a gateway that follows a new version of another's filters says so, for that one's SUBACK.
 */
import { type Clock, Fault } from '#base';
import type { Bus } from '#bus';
import { encodeMessage, heardSubject, type InterestHeard, peerSubject } from '#frames';
import { InterestTable } from '#interest';
import { messageLength, readMessage, writeMessage } from '#log';
import { PublishView } from '#mqtt';
import { FilterIndex, isSharedFilter, topicKey } from '#topics';

export const PEER_VERSION = 1;
/** Bytes collected for one gateway before they leave without waiting for idleness. */
export const PEER_BYTES_MAX = 128 * 1024;
const BUFFER_BYTES_START = 8 * 1024;

export class Peer {
  readonly incarnation: string;
  readonly number: number;
  readonly subject: string;
  buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_START);
  length = 1;
  /** Messages in the buffer. */
  count = 0;
  /** Version of our own filters that it follows. */
  heardVersion = -1;

  constructor(incarnation: string, number: number) {
    this.incarnation = incarnation;
    this.number = number;
    this.subject = peerSubject(incarnation);
    this.buffer[0] = PEER_VERSION;
  }
}

export interface PeerExchangeOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly incarnation: string;
  /** See FilterIndex; clients choose the filters. */
  readonly seed?: number;
  /** Told of shared subscriptions: their filters are in no plain index. */
  readonly shared?: {
    peerNames(text: string, incarnation: string): void;
    peerDrops(text: string, incarnation: string): void;
  };
}

export class PeerExchange {
  messagesSent = 0;
  messagesReceived = 0;
  /** Dropped as `qos0_bus_unreachable`. */
  dropped = 0;
  /** Received packs of which some could not be read. */
  damaged = 0;
  /** Rises when the others' interest changes; cached matches of another one are stale. */
  generation = 1;
  readonly interest: InterestTable;

  readonly #o: PeerExchangeOptions;
  readonly #index: FilterIndex;
  readonly #peers = new Map<string, Peer>();
  readonly #byNumber: (Peer | undefined)[] = [];
  readonly #dirty = new Set<Peer>();
  readonly #tell = new Map<string, number>();
  readonly #matched: number[] = [];
  readonly #view = new PublishView();
  #flushPlanned = false;
  #tellPlanned = false;

  constructor(options: PeerExchangeOptions) {
    this.#o = options;
    this.#index = new FilterIndex({ seed: options.seed ?? 0 });
    this.interest = new InterestTable(options.bus, options.clock, this);
  }

  get size(): number {
    return this.#peers.size;
  }

  join(incarnation: string): void {
    if (incarnation === this.#o.incarnation || this.#peers.has(incarnation)) return;
    let number = this.#byNumber.indexOf(undefined);
    if (number < 0) number = this.#byNumber.length;
    const peer = new Peer(incarnation, number);
    this.#peers.set(incarnation, peer);
    this.#byNumber[number] = peer;
    this.interest.track(incarnation);
  }

  leave(incarnation: string): void {
    const peer = this.#peers.get(incarnation);
    if (peer === undefined) return;
    this.interest.forget(incarnation);
    this.#peers.delete(incarnation);
    this.#byNumber[peer.number] = undefined;
    this.#dirty.delete(peer);
    this.dropped += peer.count;
    this.generation++;
  }

  /** InterestTable tells what another gateway wants. */
  onInterest(
    incarnation: string,
    add: Iterable<string>,
    remove: Iterable<string>,
    version: number,
  ): void {
    const peer = this.#peers.get(incarnation);
    if (peer === undefined) return;
    const { shared } = this.#o;
    for (const topicFilter of remove) {
      if (isSharedFilter(topicFilter)) shared?.peerDrops(topicFilter, incarnation);
      else this.#index.remove(topicKey(topicFilter), peer.number);
    }
    for (const topicFilter of add) {
      if (isSharedFilter(topicFilter)) shared?.peerNames(topicFilter, incarnation);
      else this.#index.add(topicKey(topicFilter), peer.number);
    }
    this.generation++;
    this.#tell.set(incarnation, version);
    if (this.#tellPlanned) return;
    this.#tellPlanned = true;
    this.#o.clock.whenIdle(() => this.#tellHeard());
  }

  /** The gateways that want a topic. */
  route(key: string): readonly Peer[] {
    const count = this.#index.matchInto(key, this.#matched);
    const peers = new Set<Peer>();
    for (let i = 0; i < count; i++) {
      const peer = this.#byNumber[this.#matched[i] as number];
      if (peer !== undefined) peers.add(peer);
    }
    return [...peers];
  }

  send(peers: readonly Peer[], view: PublishView, expiresAtSeconds: number): void {
    const length = messageLength(view);
    for (let i = 0; i < peers.length; i++) {
      const peer = peers[i] as Peer;
      // A large message goes alone: with others it could be more than NATS takes.
      if (peer.count > 0 && peer.length + length > PEER_BYTES_MAX) this.#sendBuffer(peer);
      if (peer.length + length > peer.buffer.length) grow(peer, length);
      const { buffer } = peer;
      peer.length = writeMessage(buffer, peer.length, view, length, expiresAtSeconds, 0, false);
      peer.count++;
      if (peer.length >= PEER_BYTES_MAX) this.#sendBuffer(peer);
      else if (peer.count === 1) this.#plan(peer);
    }
  }

  /** Walks the messages of a buffer from another gateway; `view` is borrowed for the call. */
  receive(payload: Buffer, onMessage: (view: PublishView) => void): void {
    if (payload[0] !== PEER_VERSION) {
      this.damaged++;
      return;
    }
    try {
      let at = 1;
      while (at < payload.length) {
        at = readMessage(payload, at, this.#view);
        this.messagesReceived++;
        onMessage(this.#view);
      }
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.damaged++;
    }
  }

  heard({ by, version }: InterestHeard): void {
    const peer = this.#peers.get(by);
    if (peer !== undefined && version > peer.heardVersion) peer.heardVersion = version;
  }

  /** Every other gateway follows our filters at least up to this version. */
  heardByAll(): number {
    let lowest = Infinity;
    for (const { heardVersion } of this.#peers.values()) lowest = Math.min(lowest, heardVersion);
    return lowest;
  }

  #plan(peer: Peer): void {
    this.#dirty.add(peer);
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#o.clock.whenIdle(() => {
      this.#flushPlanned = false;
      for (const dirty of this.#dirty) if (dirty.count > 0) this.#sendBuffer(dirty);
      this.#dirty.clear();
    });
  }

  #sendBuffer(peer: Peer): void {
    const sent = this.#o.bus.publish(peer.subject, peer.buffer.subarray(0, peer.length));
    if (sent) this.messagesSent += peer.count;
    else this.dropped += peer.count;
    peer.length = 1;
    peer.count = 0;
    if (peer.buffer.length > 4 * PEER_BYTES_MAX) {
      peer.buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_START);
      peer.buffer[0] = PEER_VERSION;
    }
  }

  #tellHeard(): void {
    this.#tellPlanned = false;
    for (const [incarnation, version] of this.#tell) {
      const heard: InterestHeard = { by: this.#o.incarnation, version };
      this.#o.bus.publish(heardSubject(incarnation), encodeMessage(heard));
    }
    this.#tell.clear();
  }
}

function grow(peer: Peer, length: number): void {
  let size = peer.buffer.length;
  while (size < peer.length + length) size *= 2;
  const grown = Buffer.allocUnsafeSlow(size);
  peer.buffer.copy(grown, 0, 0, peer.length);
  peer.buffer = grown;
}
