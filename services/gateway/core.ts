/**
 * Gateway core — everything of a gateway but its sockets: lease, interest, claims, log, frames.
 *
 * Shape: glue. The parts are made in core-parts.ts; here they are given their subjects:
 *        frame.<incarnation> (owners), peer.<incarnation> and heard.<incarnation> (gateways).
 * Owner: one per incarnation: a core whose lease was refused is over, the process starts anew.
 * Stored: sessions that outlive their connection are in stored-sessions.ts and stay-table.ts.
 * Pause: sockets are not read while the gateway stands still or an appender is full.
 */
import type { Clock, Random, Reason, Timer } from '#base';
import type { Bus } from '#bus';
import { decodeHeard, frameSubject, hear, heardSubject, peerSubject } from '#frames';
import type { PublishView } from '#mqtt';
import type { Directory } from '#registry';
import type { Logger, Metrics } from '#runtime';
import type { Departure, SessionGrant } from '#session';
import { isSharedFilter } from '#topics';
import { addCoreMetrics } from './core-metrics.ts';
import { type AppenderLimits, CoreParts } from './core-parts.ts';
import { Membership } from './membership.ts';
import { SHARED_PACK_VERSION } from './shared-packs.ts';
import type { GatewayCore, LocalClient, PublishOutcome, Subscription } from './port.ts';

/** How often unanswered requests and waiting SUBSCRIBEs are looked at. */
const TICK_MS = 100;
/** An orderly end waits so long for appends under way. */
const CLOSE_WAIT_MS = 2_000;

export interface GatewayCoreOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly directory: Directory;
  readonly partitions: number;
  /** Name of this process for people. */
  readonly instance: string;
  /** What bounds its appenders; tests hand in smaller ones. */
  readonly limits?: AppenderLimits;
}

export function createGatewayCore(options: GatewayCoreOptions): GatewayCore {
  return new Core(options);
}

class Core implements GatewayCore {
  readonly incarnation: string;
  readonly #o: GatewayCoreOptions;
  readonly #p: CoreParts;
  readonly #membership: Membership;
  readonly #clients = new Set<LocalClient>();
  readonly #pauseListeners: ((paused: boolean) => void)[] = [];
  readonly #endListeners: (() => void)[] = [];
  readonly #full = new Set<number>();
  readonly #removers: (() => void)[] = [];
  #still = false;
  #paused = false;
  #over = false;
  #tickTimer: Timer | undefined;

  constructor(options: GatewayCoreOptions) {
    this.#o = options;
    this.incarnation = newIncarnation(options.random);
    const { incarnation } = this;
    const onFull = this.#setFull.bind(this);
    this.#p = new CoreParts({ ...options, incarnation, onFull });
    this.#membership = this.#makeMembership();
    addCoreMetrics(options.metrics, this.#p, () => this.#still);
  }

  #makeMembership(): Membership {
    const { bus, clock, instance, logger } = this.#o;
    return new Membership({
      bus,
      clock,
      incarnation: this.incarnation,
      instance,
      links: this.#p.links,
      filterVersion: () => this.#p.interest.version,
      floor: () => this.#p.stays.floor(),
      known: () => this.#p.stays.known,
      homeUnanswered: (partition, nowMs) => this.#p.homeUnanswered(partition, nowMs),
      onReport: (other, filterVersion) => {
        this.#p.peers.join(other);
        // A delta that was lost shows here, also when nobody waits for it.
        this.#p.peers.interest.require(other, filterVersion);
      },
      onLeave: (other) => {
        this.#p.peers.leave(other);
        this.#p.subscribes.checkSoon();
      },
      onReady: () => {
        logger.info('gateway registered', { incarnation: this.incarnation });
        this.#tick();
      },
      onStill: (still) => this.#setStill(still),
      onEnded: () => this.#ended(),
    });
  }

  get acceptsConnect(): boolean {
    return (
      !this.#over &&
      this.#membership.ready &&
      this.#membership.holds() &&
      this.#o.directory.ready &&
      this.#p.links.every((link) => link.done !== undefined)
    );
  }
  get standsStill(): boolean {
    return this.#still;
  }

  onPause(listener: (paused: boolean) => void): void {
    this.#pauseListeners.push(listener);
  }
  onEnded(listener: () => void): void {
    this.#endListeners.push(listener);
  }

  start(): void {
    const { bus, directory } = this.#o;
    const { incarnation } = this;
    this.#p.path.setEventFilters(directory.eventFilters());
    this.#removers.push(
      bus.subscribe(frameSubject(incarnation), (message) => {
        if (this.#membership.holds()) this.#p.intake.take(message.payload);
        // Whatever waits for a client has been copied.
        bus.giveBack(message.payload);
      }),
      bus.subscribe(peerSubject(incarnation), (message) => {
        this.#onPeer(message.payload);
        bus.giveBack(message.payload);
      }),
      hear(
        bus,
        heardSubject(incarnation),
        decodeHeard,
        (heard) => {
          this.#p.peers.heard(heard);
          this.#p.subscribes.checkSoon();
        },
        () => this.#p.peers.damaged++,
      ),
    );
    this.#membership.join();
    this.#planTick();
  }

  #onPeer(pack: Buffer): void {
    const { peers, path, shared, sharedPacks } = this.#p;
    const holds = this.#membership.holds();
    if (pack[0] === SHARED_PACK_VERSION) {
      sharedPacks.receive(pack, (text, view) => {
        const group = holds ? shared.group(text) : undefined;
        if (group === undefined || !shared.deliverQos0(group, view)) sharedPacks.dropped++;
      });
      return;
    }
    peers.receive(pack, (view) => {
      if (holds) path.deliverFromPeer(view);
      else peers.dropped++;
    });
  }

  connect(client: LocalClient, onDecision: (decision: SessionGrant | Reason) => void): void {
    this.#clients.add(client);
    const { clock } = this.#o;
    this.#p.claims.claim(client, clock.nowMs(), (outcome) => {
      const decision = this.#p.stored.grantOf(client, this.#p.claims.homeOf(client), outcome);
      onDecision(decision);
      // CONNACK goes before what was queued.
      this.#p.stays.of(client)?.begin(clock.nowMs());
    });
  }

  disconnect(client: LocalClient, departure: Departure): void {
    if (!this.#clients.delete(client)) return;
    const nowMs = this.#o.clock.nowMs();
    const leaving = this.#p.stored.leave(client, departure);
    this.#p.retained.dropClient(client);
    this.#p.table.removeClient(client, (topicFilter) => this.#p.interest.remove(topicFilter));
    this.#p.shared.leave(client);
    if (!this.#over) {
      this.#p.claims.release(client, nowMs, departure.publishesWill, leaving);
    }
  }

  subscribe(
    client: LocalClient,
    subscriptions: readonly Subscription[],
    onEffective: () => void,
  ): void {
    const nowMs = this.#o.clock.nowMs();
    const fetches: (() => void)[] = [];
    let version = 0;
    for (const s of this.#p.stored.withTerms(client, subscriptions)) {
      const isNew = this.#p.table.entry(s.topicFilter)?.subscribers.has(client) !== true;
      const entry = this.#p.table.add(client, s, () => this.#p.interest.add(s.topicFilter));
      version = Math.max(version, entry.version);
      // Nobody gets retained messages for a shared subscription (MQTT 5 §4.8.2).
      if (isSharedFilter(s.topicFilter)) continue;
      if (s.retainHandling === 0 || (s.retainHandling === 1 && isNew)) {
        fetches.push(this.#p.retained.prepare(client, s, entry, nowMs));
      }
    }
    // Both the owners' answers to the filters and, for a stored session, its home's.
    let unanswered = 2;
    const answered = (): void => {
      if (--unanswered > 0) return;
      onEffective();
      for (const start of fetches) start();
    };
    this.#p.subscribes.wait(version, answered);
    this.#p.stored.subscribed(client, subscriptions, version, answered);
  }

  unsubscribe(
    client: LocalClient,
    topicFilters: readonly string[],
    onEffective: () => void,
  ): boolean[] {
    const existed = topicFilters.map((topicFilter) => {
      const existed = this.#p.table.remove(client, topicFilter, (gone) =>
        this.#p.interest.remove(gone),
      );
      this.#p.retained.unsubscribed(client, topicFilter);
      return existed;
    });
    const gone = topicFilters.filter((_, i) => existed[i] === true);
    this.#p.stored.unsubscribed(client, gone, onEffective);
    return existed;
  }

  settled(client: LocalClient, ticket: number): void {
    if (!this.#p.shared.settled(client, ticket)) this.#p.stays.settled(client, ticket);
  }

  storeOut(client: LocalClient, packetIdentifier: number, ticket: number): void {
    this.#p.outs.sent(client, packetIdentifier, this.#p.stays.placeOf(client, ticket));
  }
  storeReceived(client: LocalClient, packetIdentifier: number): void {
    this.#p.outs.received(client, packetIdentifier);
  }
  storeFinished(client: LocalClient, packetIdentifier: number): void {
    this.#p.outs.finished(client, packetIdentifier);
  }
  releasePublish(client: LocalClient, packetIdentifier: number): void {
    this.#p.keys.release(client, packetIdentifier);
  }

  publish(client: LocalClient, view: PublishView, key: string, token: number): PublishOutcome {
    return this.#p.path.publish(client, view, key, token);
  }

  close(): Promise<void> {
    const { clock } = this.#o;
    const deadlineMs = clock.nowMs() + CLOSE_WAIT_MS;
    return new Promise((resolve) => {
      const look = (): void => {
        // Sessions put away say exactly what they have got: else it would come twice.
        const isPut = this.#p.stays.ended.size === 0 && this.#p.shared.isTold;
        const idle = isPut && this.#p.appenders.every((appender) => appender.idle);
        if (!idle && clock.nowMs() < deadlineMs) clock.after(10, look);
        else this.#membership.leave(() => this.#shut(resolve));
      };
      look();
    });
  }

  #shut(onDone: () => void): void {
    this.#over = true;
    for (const remove of this.#removers) remove();
    this.#p.close();
    if (this.#tickTimer !== undefined) this.#o.clock.cancel(this.#tickTimer);
    onDone();
  }

  /** The lease was refused: somebody ended this incarnation. */
  #ended(): void {
    if (this.#over) return;
    this.#over = true;
    this.#o.logger.error('gateway lease lost', { incarnation: this.incarnation });
    this.#setPaused();
    for (const client of [...this.#clients]) client.close('gateway_lease_lost');
    this.#shut(() => {
      for (const listener of this.#endListeners) listener();
    });
  }

  #setStill(still: boolean): void {
    if (this.#still === still) return;
    this.#still = still;
    this.#o.logger.warn(still ? 'gateway stands still' : 'gateway goes on', {});
    for (const appender of this.#p.appenders) {
      if (still) appender.pause();
      else appender.resume();
    }
    this.#setPaused();
  }

  #setFull(partition: number, full: boolean): void {
    if (full) this.#full.add(partition);
    else this.#full.delete(partition);
    this.#setPaused();
  }

  #setPaused(): void {
    const paused = this.#over || this.#still || this.#full.size > 0;
    if (paused === this.#paused) return;
    this.#paused = paused;
    for (const listener of this.#pauseListeners) listener(paused);
  }

  #planTick(): void {
    this.#tickTimer = this.#o.clock.after(TICK_MS, () => {
      this.#tick();
      if (!this.#over) this.#planTick();
    });
  }

  #tick(): void {
    if (this.#over || !this.#membership.ready || !this.#membership.holds()) return;
    const nowMs = this.#o.clock.nowMs();
    // One array until something changes.
    this.#p.path.setEventFilters(this.#o.directory.eventFilters());
    this.#p.tick(nowMs);
  }
}

/** 12 characters that no other life of a gateway has; safe in subjects. */
function newIncarnation(random: Random): string {
  const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
  let name = 'g';
  for (let i = 0; i < 11; i++) name += alphabet[Math.floor(random() * alphabet.length)];
  return name;
}
