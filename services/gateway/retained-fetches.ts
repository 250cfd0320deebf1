/**
 * Retained fetches — gets the retained messages of new subscriptions from the partitions' owners
 * (protocol 23).
 *
 * Shape: per SUBSCRIBE and partition one fetch: asked page by page, the next one only when the
 *        client has room. Meanwhile what comes live from that partition is held back, so that a
 *        topic's older, retained message never follows a newer one.
 * Owner: one per gateway. An unanswered page is asked for again; a new owner starts anew, so a
 *        message may come twice when an owner dies.
 * Full:  HELD_BYTES_MAX of held messages per client: it reads too slowly and is ended by name.
 */
import { type Clock, hashText, partitionOf } from '#base';
import type { GatewayMessage, PageReader } from '#frames';
import type { Position } from '#log';
import { type PublishView, topicOf } from '#mqtt';
import { ClientHold, type ClientHoldOptions } from './client-hold.ts';
import { ASK_AGAIN_MS, type OwnerLink } from './owner-link.ts';
import type { Delivery, LocalClient, Subscription } from './port.ts';
import { deliveryOf, type FilterEntry } from './filter-entry.ts';

interface Fetch {
  readonly request: number;
  readonly client: LocalClient;
  readonly hold: ClientHold;
  readonly entry: FilterEntry;
  readonly partition: number;
  readonly qos: 0 | 1 | 2;
  readonly delivery: Delivery;
  /** Position up to which retained messages count; Infinity: not known yet. */
  upTo: Position;
  page: number;
  askedAtMs: number;
  /** The page was delivered, the next one waits for room at the client. */
  waitsForRoom: boolean;
}

export interface RetainedFetchesOptions {
  readonly clock: Clock;
  readonly incarnation: string;
  readonly links: readonly OwnerLink[];
  readonly send: (partition: number, message: GatewayMessage) => void;
  readonly isSubscribed: (client: LocalClient, topic: string) => boolean;
  /** The client has got its retained messages of this partition. */
  readonly onHoldEnded: (client: LocalClient, partition: number) => void;
}

export class RetainedFetches implements ClientHoldOptions {
  delivered = 0;
  /** Dropped as `message_expired`. */
  expired = 0;
  readonly #o: RetainedFetchesOptions;
  readonly #fetches = new Map<number, Fetch>();
  readonly #holds = new Map<LocalClient, ClientHold>();
  #requests = 0;

  constructor(options: RetainedFetchesOptions) {
    this.#o = options;
  }

  get size(): number {
    return this.#fetches.size;
  }
  get heldBytes(): number {
    let bytes = 0;
    for (const hold of this.#holds.values()) bytes += hold.bytes;
    return bytes;
  }

  /**
   * From the moment of a SUBSCRIBE on: live messages are held back. Returns what is to be called
   * once the subscription counts everywhere (SUBACK is sent).
   */
  prepare(client: LocalClient, s: Subscription, entry: FilterEntry, nowMs: number): () => void {
    let hold = this.#holds.get(client);
    if (hold === undefined) {
      hold = new ClientHold(client, this);
      this.#holds.set(client, hold);
    }
    const delivery: Delivery = { ...deliveryOf(s), retained: true };
    const prepared: Fetch[] = [];
    for (const { partition, done } of this.#linksOf(s.topicFilter)) {
      // What this client gets live begins here: later where the filter counts only later.
      const upTo = Math.max(entry.starts[partition] as number, done ?? 0);
      const fetch: Fetch = {
        request: ++this.#requests,
        client,
        hold,
        entry,
        partition,
        qos: s.qos,
        delivery,
        upTo,
        page: 0,
        askedAtMs: nowMs,
        waitsForRoom: false,
      };
      this.#fetches.set(fetch.request, fetch);
      hold.begin(partition);
      prepared.push(fetch);
    }
    return () => {
      for (const fetch of prepared) this.#start(fetch);
    };
  }

  onPage(page: PageReader, nowMs: number): void {
    const fetch = this.#fetches.get(page.request);
    if (fetch === undefined || fetch.partition !== page.partition) return;
    if (page.restart) {
      fetch.page = 0;
      this.#ask(fetch, nowMs);
      return;
    }
    if (page.page !== fetch.page || fetch.waitsForRoom) return;
    const { client, qos, delivery } = fetch;
    while (page.next()) {
      const { view } = page;
      if (!this.mayDeliver(client, view, false)) continue;
      view.retain = true;
      this.delivered++;
      client.deliver(view, view.qos < qos ? view.qos : qos, delivery, 0, 0);
      // A client that could not take it is gone.
      if (!this.#fetches.has(fetch.request)) return;
    }
    if (page.last) this.#finish(fetch);
    else {
      fetch.page++;
      fetch.waitsForRoom = true;
      this.#goOn(fetch, nowMs);
    }
  }

  /** UNSUBSCRIBE: what is on its way for this filter is over. */
  unsubscribed(client: LocalClient, topicFilter: string): void {
    this.#holds.get(client)?.unsubscribed();
    for (const fetch of this.#fetches.values()) {
      if (fetch.client === client && fetch.entry.topicFilter === topicFilter) this.#finish(fetch);
    }
  }

  /** ClientHold: neither expired nor unsubscribed meanwhile. */
  mayDeliver(client: LocalClient, view: PublishView, looks: boolean): boolean {
    if (view.hasExpired(this.#o.clock)) {
      this.expired++;
      return false;
    }
    return !looks || this.#o.isSubscribed(client, topicOf(view));
  }

  holdEnded(client: LocalClient, partition: number): void {
    this.#o.onHoldEnded(client, partition);
  }

  /** The client is gone. */
  dropClient(client: LocalClient): void {
    const hold = this.#holds.get(client);
    if (hold === undefined) return;
    this.#holds.delete(client);
    hold.close();
    for (const fetch of this.#fetches.values()) {
      if (fetch.client !== client) continue;
      this.#fetches.delete(fetch.request);
      this.#tellEnough(fetch);
    }
  }

  tick(nowMs: number): void {
    for (const fetch of this.#fetches.values()) {
      if (fetch.upTo === Infinity) continue;
      if (fetch.waitsForRoom) this.#goOn(fetch, nowMs);
      else if (nowMs - fetch.askedAtMs >= ASK_AGAIN_MS) this.#ask(fetch, nowMs);
    }
  }

  /** An exact filter has its topic in one partition only. */
  #linksOf(topicFilter: string): readonly OwnerLink[] {
    const { links } = this.#o;
    if (topicFilter.includes('+') || topicFilter.includes('#')) return links;
    const link = links[partitionOf(hashText(topicFilter), links.length)];
    return link === undefined ? [] : [link];
  }

  #start(fetch: Fetch): void {
    if (!this.#fetches.has(fetch.request)) return;
    if (fetch.upTo === Infinity) fetch.upTo = fetch.entry.starts[fetch.partition] as number;
    this.#ask(fetch, fetch.askedAtMs);
  }

  #goOn(fetch: Fetch, nowMs: number): void {
    if (!fetch.client.hasRoom) return;
    fetch.waitsForRoom = false;
    this.#ask(fetch, nowMs);
  }

  #ask(fetch: Fetch, nowMs: number): void {
    fetch.askedAtMs = nowMs;
    const { request, partition, upTo, page, entry } = fetch;
    const epoch = this.#o.links[partition]?.epoch ?? 0;
    const { incarnation: inc } = this.#o;
    const { topicFilter } = entry;
    this.#o.send(partition, { t: 'retained', inc, epoch, request, topicFilter, upTo, page });
  }

  #finish(fetch: Fetch): void {
    this.#fetches.delete(fetch.request);
    this.#tellEnough(fetch);
    fetch.hold.end(fetch.partition);
    if (fetch.hold.isOver) this.#holds.delete(fetch.client);
  }

  #tellEnough({ partition, request }: Fetch): void {
    const epoch = this.#o.links[partition]?.epoch ?? 0;
    this.#o.send(partition, { t: 'enough', inc: this.#o.incarnation, epoch, request });
  }
}
