/**
 * Core parts — the pieces of a gateway's core, made and wired to each other.
 *
 * Owner: the core. Each part has one file; who needs others is handed them here.
 */
import type { Bus } from '#bus';
import type { Clock, Random } from '#base';
import { InterestPublisher } from '#interest';
import { type AppenderOptions, PartitionAppender, RECORD_BYTES_DEFAULT } from '#log';
import { ClaimTable } from './claim-table.ts';
import { FrameIntake } from './frame-intake.ts';
import { HomeChanges } from './home-changes.ts';
import { OutSteps } from './out-steps.ts';
import { OwnerLink } from './owner-link.ts';
import { OwnerMailbox } from './owner-mailbox.ts';
import { PeerExchange } from './peer-exchange.ts';
import { PublishKeys } from './publish-keys.ts';
import { PublishPath } from './publish-path.ts';
import { RetainedFetches } from './retained-fetches.ts';
import { SeenFlow } from './seen-flow.ts';
import { SharedGroups } from './shared-groups.ts';
import { SharedPacks } from './shared-packs.ts';
import { SharedRoutes } from './shared-routes.ts';
import { StayTable } from './stay-table.ts';
import { StoredSessions } from './stored-sessions.ts';
import { SubscribeFlow } from './subscribe-flow.ts';
import { SubscriptionTable } from './subscription-table.ts';

/** Room for the headers of an append. */
const RECORD_HEADERS_BYTES = 1_024;

/** What bounds the appenders; tests hand in smaller ones. */
export type AppenderLimits = Pick<
  AppenderOptions,
  'recordMessagesMax' | 'recordBytesMax' | 'pendingBytesMax'
>;

export interface CorePartsOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly partitions: number;
  readonly incarnation: string;
  readonly limits?: AppenderLimits | undefined;
  /** A partition's appender is full, or no more. */
  readonly onFull: (partition: number, full: boolean) => void;
}

export class CoreParts {
  readonly links: readonly OwnerLink[];
  readonly mailbox: OwnerMailbox;
  readonly table: SubscriptionTable;
  readonly peers: PeerExchange;
  readonly interest: InterestPublisher;
  readonly claims: ClaimTable;
  readonly appenders: readonly PartitionAppender[];
  readonly path: PublishPath;
  readonly subscribes: SubscribeFlow;
  readonly retained: RetainedFetches;
  readonly stays: StayTable;
  readonly changes: HomeChanges;
  readonly outs: OutSteps;
  readonly keys: PublishKeys;
  readonly seen: SeenFlow;
  readonly stored: StoredSessions;
  readonly shared: SharedGroups;
  readonly sharedPacks: SharedPacks;
  readonly sharedRoutes: SharedRoutes;
  readonly intake: FrameIntake;

  constructor(options: CorePartsOptions) {
    const { bus, clock, random, partitions, incarnation } = options;
    const seed = Math.floor(random() * 0x1_0000_0000);
    const mailbox = new OwnerMailbox(bus, clock, partitions);
    const send = mailbox.send.bind(mailbox);
    const each = Array.from({ length: partitions }, (_, partition) => partition);
    const links = each.map((p) => new OwnerLink(p, incarnation, (message) => send(p, message)));
    const shared = new SharedGroups({ clock, incarnation, links, send });
    this.shared = shared;
    this.sharedPacks = new SharedPacks(bus, clock);
    this.sharedRoutes = new SharedRoutes(shared, this.sharedPacks, seed);
    const table = new SubscriptionTable(partitions, seed, this.sharedRoutes);
    this.mailbox = mailbox;
    this.links = links;
    this.table = table;
    this.peers = new PeerExchange({ bus, clock, incarnation, seed, shared: this.sharedRoutes });
    this.interest = new InterestPublisher(bus, clock, incarnation);
    this.outs = new OutSteps({
      clock,
      incarnation,
      send,
      homeOf: (client) => this.stays.of(client)?.home,
      acknowledged: (client) => this.stays.acknowledged(client),
    });
    const closeOut = this.outs.received.bind(this.outs);
    this.stays = new StayTable({ clock, incarnation, links, table, send, closeOut });
    this.changes = new HomeChanges(clock, incarnation, send);
    this.seen = new SeenFlow(clock, incarnation, links, send);
    const onReleased = this.stays.released.bind(this.stays);
    this.claims = new ClaimTable({ incarnation, partitions, send, onReleased });
    this.appenders = each.map((partition) => newAppender(options, partition));
    const onFull = (partition: number): void => options.onFull(partition, true);
    this.keys = new PublishKeys({
      appenders: this.appenders,
      stayOf: (client) => this.stays.of(client),
      onFull,
    });
    this.path = new PublishPath({
      clock,
      partitions,
      table,
      peers: this.peers,
      appenders: this.appenders,
      keys: this.keys,
      shared: this.sharedRoutes,
      onFull,
    });
    this.subscribes = new SubscribeFlow(links, this.peers, clock);
    this.stored = new StoredSessions(this);
    this.retained = new RetainedFetches({
      clock,
      incarnation,
      links,
      send,
      isSubscribed: (client, topic) => table.isSubscribed(client, topic),
      onHoldEnded: (client, partition) => this.stays.holdEnded(client, partition),
    });
    this.intake = new FrameIntake(this, clock, incarnation);
  }

  /** Repeats what is unanswered, answers what waited. */
  tick(nowMs: number): void {
    for (const link of this.links) link.tick(nowMs);
    this.claims.tick(nowMs);
    this.retained.tick(nowMs);
    this.stays.tick(nowMs);
    this.shared.tick(nowMs);
    this.changes.tick(nowMs);
    this.outs.tick(nowMs);
    this.keys.tick();
    this.seen.tick(nowMs);
    this.peers.interest.tick();
    this.subscribes.check();
  }

  /** Something asked of this home has been waiting too long (rule 9). */
  homeUnanswered(home: number, nowMs: number): boolean {
    return [this.claims, this.changes, this.outs].some((part) => part.unanswered(home, nowMs));
  }

  close(): void {
    for (const appender of this.appenders) appender.close();
    this.interest.close();
    this.peers.interest.close();
  }
}

/** What NATS takes is the limit of a record, too. */
function newAppender(options: CorePartsOptions, partition: number): PartitionAppender {
  const { bus, clock, incarnation, limits, onFull } = options;
  const bytesMax = limits?.recordBytesMax ?? RECORD_BYTES_DEFAULT;
  return new PartitionAppender({
    ...limits,
    recordBytesMax: Math.min(bytesMax, (bus.payloadBytesMax || Infinity) - RECORD_HEADERS_BYTES),
    bus,
    clock,
    partition,
    incarnation,
    onDrain: () => onFull(partition, false),
  });
}
