/**
 * Gateway core — everything of a gateway but its sockets: lease, interest, claims, log, frames.
 *
 * Shape: glue. Each part has one file; here they are made, wired and given their subjects:
 *        frame.<incarnation> (owners), peer.<incarnation> and heard.<incarnation> (gateways).
 * Owner: one per incarnation: a core whose lease was refused is over, the process starts anew.
 * Pause: sockets are not read while the gateway stands still or an appender is full.
 */
import type { Clock, Random, Reason, Timer } from '#base';
import type { Bus } from '#bus';
import { decodeHeard, frameSubject, hear, heardSubject, peerSubject } from '#frames';
import { InterestPublisher } from '#interest';
import { type AppenderOptions, PartitionAppender, RECORD_BYTES_DEFAULT } from '#log';
import type { PublishView } from '#mqtt';
import type { Directory } from '#registry';
import type { Logger, Metrics } from '#runtime';
import { ClaimTable } from './claim-table.ts';
import { addCoreMetrics } from './core-metrics.ts';
import { FrameIntake } from './frame-intake.ts';
import { Membership } from './membership.ts';
import { OwnerLink } from './owner-link.ts';
import { OwnerMailbox } from './owner-mailbox.ts';
import { PeerExchange } from './peer-exchange.ts';
import type { GatewayCore, LocalClient, PublishOutcome, Subscription } from './port.ts';
import type { Departure, SessionGrant } from '#session';
import { PublishPath } from './publish-path.ts';
import { RetainedFetches } from './retained-fetches.ts';
import { SubscribeFlow } from './subscribe-flow.ts';
import { SubscriptionTable } from './subscription-table.ts';

/** How often unanswered requests and waiting SUBSCRIBEs are looked at. */
const TICK_MS = 100;
/** Room for the headers of an append. */
const RECORD_HEADERS_BYTES = 1_024;
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
  readonly limits?: Pick<
    AppenderOptions,
    'recordMessagesMax' | 'recordBytesMax' | 'pendingBytesMax'
  >;
}

/** What a client gets that asked for nothing to be kept. */
const CLEAN_SESSION: SessionGrant = {
  sessionPresent: false,
  isStored: false,
  subscriptions: [],
  inFlight: [],
  received: [],
};

export function createGatewayCore(options: GatewayCoreOptions): GatewayCore {
  return new Core(options);
}

class Core implements GatewayCore {
  readonly incarnation: string;
  readonly #o: GatewayCoreOptions;
  readonly #links: readonly OwnerLink[];
  readonly #mailbox: OwnerMailbox;
  readonly #table: SubscriptionTable;
  readonly #peers: PeerExchange;
  readonly #interest: InterestPublisher;
  readonly #claims: ClaimTable;
  readonly #appenders: readonly PartitionAppender[];
  readonly #path: PublishPath;
  readonly #subscribes: SubscribeFlow;
  readonly #retained: RetainedFetches;
  readonly #intake: FrameIntake;
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
    const { bus, clock, random, partitions } = options;
    const each = Array.from({ length: partitions }, (_, partition) => partition);
    const incarnation = newIncarnation(random);
    this.incarnation = incarnation;
    const seed = Math.floor(random() * 0x1_0000_0000);
    this.#mailbox = new OwnerMailbox(bus, clock, partitions);
    this.#links = each.map(
      (p) => new OwnerLink(p, incarnation, (message) => this.#mailbox.send(p, message)),
    );
    this.#table = new SubscriptionTable(partitions, seed);
    this.#peers = new PeerExchange({ bus, clock, incarnation, seed });
    this.#interest = new InterestPublisher(bus, clock, incarnation);
    const send = this.#mailbox.send.bind(this.#mailbox);
    this.#claims = new ClaimTable({ incarnation, partitions, send });
    this.#appenders = each.map(
      (partition) =>
        new PartitionAppender({
          ...options.limits,
          recordBytesMax: recordBytesMax(options),
          bus,
          clock,
          partition,
          incarnation,
          onDrain: () => this.#setFull(partition, false),
        }),
    );
    this.#path = new PublishPath({
      clock,
      partitions,
      table: this.#table,
      peers: this.#peers,
      appenders: this.#appenders,
      onFull: (partition) => this.#setFull(partition, true),
    });
    this.#subscribes = new SubscribeFlow(this.#links, this.#peers, clock);
    this.#retained = new RetainedFetches({
      clock,
      incarnation,
      links: this.#links,
      send,
      isSubscribed: (client, topic) => this.#table.isSubscribed(client, topic),
    });
    this.#intake = this.#makeIntake();
    this.#membership = this.#makeMembership();
    addCoreMetrics(options.metrics, {
      links: this.#links,
      table: this.#table,
      peers: this.#peers,
      claims: this.#claims,
      appenders: this.#appenders,
      path: this.#path,
      intake: this.#intake,
      retained: this.#retained,
      standsStill: () => this.#still,
    });
  }

  #makeIntake(): FrameIntake {
    return new FrameIntake({
      clock: this.#o.clock,
      incarnation: this.incarnation,
      links: this.#links,
      table: this.#table,
      path: this.#path,
      claims: this.#claims,
      subscribes: this.#subscribes,
      interest: this.#interest,
      mailbox: this.#mailbox,
      retained: this.#retained,
    });
  }

  #makeMembership(): Membership {
    const { bus, clock, instance, logger } = this.#o;
    return new Membership({
      bus,
      clock,
      incarnation: this.incarnation,
      instance,
      links: this.#links,
      filterVersion: () => this.#interest.version,
      claimsUnanswered: (partition, nowMs) => this.#claims.unanswered(partition, nowMs),
      onReport: (other, filterVersion) => {
        this.#peers.join(other);
        // A delta that was lost shows here, also when nobody waits for it.
        this.#peers.interest.require(other, filterVersion);
      },
      onLeave: (other) => {
        this.#peers.leave(other);
        this.#subscribes.checkSoon();
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
      this.#links.every((link) => link.done !== undefined)
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
    this.#path.setEventFilters(directory.eventFilters());
    this.#removers.push(
      bus.subscribe(frameSubject(incarnation), (message) => {
        if (this.#membership.holds()) this.#intake.take(message.payload);
        // Whatever waits for a client has been copied.
        bus.giveBack(message.payload);
      }),
      bus.subscribe(peerSubject(incarnation), (message) => {
        const holds = this.#membership.holds();
        this.#peers.receive(message.payload, (view) => {
          if (holds) this.#path.deliverFromPeer(view);
          else this.#peers.dropped++;
        });
        bus.giveBack(message.payload);
      }),
      hear(
        bus,
        heardSubject(incarnation),
        decodeHeard,
        (heard) => {
          this.#peers.heard(heard);
          this.#subscribes.checkSoon();
        },
        () => this.#peers.damaged++,
      ),
    );
    this.#membership.join();
    this.#planTick();
  }

  connect(client: LocalClient, onDecision: (decision: SessionGrant | Reason) => void): void {
    this.#clients.add(client);
    this.#claims.claim(client, this.#o.clock.nowMs(), (decision) =>
      onDecision(decision === 'granted' ? CLEAN_SESSION : decision),
    );
  }

  disconnect(client: LocalClient, _departure: Departure): void {
    if (!this.#clients.delete(client)) return;
    this.#retained.dropClient(client);
    this.#table.removeClient(client, (topicFilter) => this.#interest.remove(topicFilter));
    if (!this.#over) this.#claims.release(client, this.#o.clock.nowMs());
  }

  subscribe(
    client: LocalClient,
    subscriptions: readonly Subscription[],
    onEffective: () => void,
  ): void {
    const nowMs = this.#o.clock.nowMs();
    const fetches: (() => void)[] = [];
    let version = 0;
    for (const s of subscriptions) {
      const isNew = this.#table.entry(s.topicFilter)?.subscribers.has(client) !== true;
      const entry = this.#table.add(client, s, () => this.#interest.add(s.topicFilter));
      version = Math.max(version, entry.version);
      if (s.retainHandling === 0 || (s.retainHandling === 1 && isNew)) {
        fetches.push(this.#retained.prepare(client, s, entry, nowMs));
      }
    }
    this.#subscribes.wait(version, () => {
      onEffective();
      for (const start of fetches) start();
    });
  }

  unsubscribe(
    client: LocalClient,
    topicFilters: readonly string[],
    onEffective: () => void,
  ): boolean[] {
    const existed = topicFilters.map((topicFilter) => {
      const existed = this.#table.remove(client, topicFilter, (gone) =>
        this.#interest.remove(gone),
      );
      this.#retained.unsubscribed(client, topicFilter);
      return existed;
    });
    onEffective();
    return existed;
  }

  settled(): void {}
  storeOut(): void {}
  storeReceived(): void {}
  storeFinished(): void {}
  releasePublish(): void {}

  publish(client: LocalClient, view: PublishView, key: string, token: number): PublishOutcome {
    return this.#path.publish(client, view, key, token);
  }

  close(): Promise<void> {
    const { clock } = this.#o;
    const deadlineMs = clock.nowMs() + CLOSE_WAIT_MS;
    return new Promise((resolve) => {
      const look = (): void => {
        const idle = this.#appenders.every((appender) => appender.idle);
        if (!idle && clock.nowMs() < deadlineMs) clock.after(10, look);
        else this.#membership.leave(() => this.#shut(resolve));
      };
      look();
    });
  }

  #shut(onDone: () => void): void {
    this.#over = true;
    for (const remove of this.#removers) remove();
    for (const appender of this.#appenders) appender.close();
    this.#interest.close();
    this.#peers.interest.close();
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
    for (const appender of this.#appenders) {
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
    this.#path.setEventFilters(this.#o.directory.eventFilters());
    for (const link of this.#links) link.tick(nowMs);
    this.#claims.tick(nowMs);
    this.#retained.tick(nowMs);
    this.#peers.interest.tick();
    this.#subscribes.check();
  }
}

/** What NATS takes is the limit of a record, too. */
function recordBytesMax({ bus, limits }: GatewayCoreOptions): number {
  const bytesMax = limits?.recordBytesMax ?? RECORD_BYTES_DEFAULT;
  return Math.min(bytesMax, (bus.payloadBytesMax || Infinity) - RECORD_HEADERS_BYTES);
}

/** 12 characters that no other life of a gateway has; safe in subjects. */
function newIncarnation(random: Random): string {
  const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
  let name = 'g';
  for (let i = 0; i < 11; i++) name += alphabet[Math.floor(random() * alphabet.length)];
  return name;
}
