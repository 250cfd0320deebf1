/**
 * Stay — a stored session while it is connected here: one partition state each (docs/adr/0012).
 *
 * Tickets: sequence in the partition's ring × partitions + partition, so a ticket finds its slot
 *          without a map.
 * Ends:    once, with what the home has to know: the cursor and what is in flight.
 */
import { type GrantedSession, type LeavingSession, OUT_FINISHED, OUT_SENT } from '#frames';
import type { Position } from '#log';
import type { PublishView } from '#mqtt';
import type { Departure } from '#session';
import type { InFlight } from '#session-store';
import type { Delivery, LocalClient } from './port.ts';
import type { StayHost, StayTerms } from './stay-host.ts';
import { StayPartition } from './stay-partition.ts';
import type { StayReceiver } from './filter-entry.ts';

export class Stay implements StayTerms, StayReceiver {
  readonly client: LocalClient;
  readonly home: number;
  readonly generation: number;
  readonly stay: number;
  readonly parts: readonly StayPartition[];
  /** Partition of each QoS 2 PUBLISH of this connection whose release is not in the log. */
  readonly publishedIn = new Map<number, number>();
  filterVersion = 0;
  ended = false;
  /** There was no session, so nothing is queued. */
  readonly #isNew: boolean;
  readonly #host: StayHost;
  #hasBegun = false;

  constructor(host: StayHost, client: LocalClient, home: number, session: GrantedSession) {
    this.#host = host;
    this.client = client;
    this.home = home;
    this.generation = session.generation;
    this.stay = session.stay;
    this.#isNew = !session.present;
    this.parts = Array.from(
      { length: host.partitions },
      (_, p) => new StayPartition(host, this, p, session.cursor[p] ?? 0),
    );
    this.#inherit(session);
  }

  /**
   * A QoS 2 delivery that is open took its identifier after the last end of a stay was written:
   * what that end names under the same identifier was acknowledged.
   */
  #inherit({ inFlight, outs = [] }: GrantedSession): void {
    const open = new Set(outs.filter((out) => out[3] !== OUT_FINISHED).map(([id]) => id));
    for (const [packetIdentifier, partition, position] of inFlight) {
      const inherited = this.parts[partition]?.inherited;
      if (open.has(packetIdentifier)) inherited?.addDone(position);
      else inherited?.add(position, packetIdentifier);
    }
    for (const [packetIdentifier, partition, position, state] of outs) {
      const inherited = this.parts[partition]?.inherited;
      if (state === OUT_SENT) inherited?.addQos2(position, packetIdentifier);
      else inherited?.addDone(position);
    }
  }

  /** An inherited delivery cannot come again. */
  free(packetIdentifier: number): void {
    this.client.freeIdentifier(packetIdentifier);
  }
  close(packetIdentifier: number): void {
    this.#host.closeOut(this.client, packetIdentifier);
  }

  /** The client has been told that it is let in. */
  begin(nowMs: number): void {
    if (this.#hasBegun || this.ended) return;
    this.#hasBegun = true;
    for (const part of this.parts) part.begin(this.#isNew, nowMs);
  }

  offer(
    partition: number,
    position: Position,
    view: PublishView,
    qos: 1 | 2,
    delivery: Delivery,
  ): void {
    this.parts[partition]?.offer(position, view, qos, delivery);
  }

  /** Where a delivery stands; undefined: it is settled. */
  placeOf(ticket: number): { partition: number; position: Position } | undefined {
    const partition = ticket % this.parts.length;
    const sequence = (ticket - partition) / this.parts.length;
    const position = this.parts[partition]?.ring.positionOf(sequence);
    return position === undefined ? undefined : { partition, position };
  }

  settled(ticket: number): void {
    const { parts } = this;
    const partition = ticket % parts.length;
    parts[partition]?.settled((ticket - partition) / parts.length);
  }

  /** Ends it. `done`: per partition how far this gateway is. */
  leave(departure: Departure, done: readonly Position[], nowMs: number): LeavingSession {
    this.ended = true;
    const inFlight: InFlight[] = [];
    for (const [packetIdentifier, ticket] of departure.inFlight) {
      const place = this.placeOf(ticket);
      if (place !== undefined) inFlight.push([packetIdentifier, place.partition, place.position]);
    }
    const cursor: Position[] = [];
    for (const part of this.parts) {
      cursor.push(part.cursor(done[part.partition] ?? 0));
      // What did not come again yet is as much in flight as before.
      for (const [position, packetIdentifier] of part.inherited.entries()) {
        inFlight.push([packetIdentifier, part.partition, position]);
      }
      part.close(nowMs);
    }
    const { sessionExpirySeconds } = departure;
    return { stay: this.stay, cursor, inFlight, sessionExpirySeconds };
  }
}
