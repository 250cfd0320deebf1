/**
 * Publish path — where a message from a client of this gateway goes, and how a message reaches the
 * clients of this gateway.
 *
 * Shape: per topic one cached route: partition, local receivers, other gateways that want it,
 *        whether an event subscription wants it at QoS 0. Validated by generation counters.
 * QoS 0: local receivers at once, other gateways directly; into the log only for routing, or with
 *        RETAIN, and then only that way.
 * QoS 1: into the open record of the topic's partition; receivers get it from the owner's frames.
 * Cost:  a map look-up per message of another topic than the last; a route is built once per topic
 *        and change of subscriptions.
 * Full:  the cache is emptied at ROUTES_MAX topics; a full appender stops the reading of sockets.
 */
import { type Clock, hashBytes, partitionOf } from '#base';
import type { PartitionAppender, Position } from '#log';
import { LastTopic, type PublishView } from '#mqtt';
import { FilterIndex, topicKey } from '#topics';
import type { Peer, PeerExchange } from './peer-exchange.ts';
import type { LocalClient, PublishOutcome } from './port.ts';
import type { PublishKeys } from './publish-keys.ts';
import { NO_SHARED, type SharedRoute, type SharedRoutes } from './shared-routes.ts';
import { NO_POSITION, type Route } from './route.ts';
import type { SubscriptionTable } from './subscription-table.ts';

/** Topics with a cached route: about 20 MB when full. Range 1,024 – 1 M. */
const ROUTES_MAX = 65_536;
/** Longer topics keep no route: at 64 KiB each they would be 4 GiB. */
const CACHED_TOPIC_BYTES_MAX = 512;

interface TopicRoute {
  readonly partition: number;
  local: Route;
  peers: readonly Peer[];
  peersGeneration: number;
  shared: readonly SharedRoute[];
  sharedGeneration: number;
  routed: boolean;
  routedGeneration: number;
}

export interface PublishPathOptions {
  readonly clock: Clock;
  readonly partitions: number;
  readonly table: SubscriptionTable;
  readonly peers: PeerExchange;
  readonly appenders: readonly PartitionAppender[];
  readonly keys: PublishKeys;
  readonly shared: SharedRoutes;
  /** A partition's appender takes no more for now. */
  readonly onFull: (partition: number) => void;
}

export class PublishPath {
  /** Plain counters by QoS. */
  readonly received = [0, 0, 0];
  delivered = 0;
  expired = 0;

  readonly #o: PublishPathOptions;
  readonly #routes = new Map<string, TopicRoute>();
  readonly #topic = new LastTopic();
  #lastKey = '';
  #lastRoute: TopicRoute | undefined;
  #eventFilters: readonly string[] = [];
  #eventIndex = new FilterIndex();
  #eventGeneration = 1;
  readonly #eventMatches: number[] = [];

  constructor(options: PublishPathOptions) {
    this.#o = options;
  }

  /** Of event subscriptions; costs nothing while it is the same array, or still empty. */
  setEventFilters(topicFilters: readonly string[]): void {
    const before = this.#eventFilters;
    if (topicFilters === before || topicFilters.length + before.length === 0) return;
    this.#eventFilters = topicFilters;
    this.#eventIndex = new FilterIndex();
    topicFilters.forEach((topicFilter, i) => this.#eventIndex.add(topicKey(topicFilter), i));
    this.#eventGeneration++;
  }

  publish(client: LocalClient, view: PublishView, key: string, token: number): PublishOutcome {
    const route = this.#route(key, view);
    const { qos } = view;
    this.received[qos] = (this.received[qos] as number) + 1;
    view.publisherConnection = client.connectionNumber;
    const expiresAt = this.#expiry(view);
    if (qos > 0) {
      if (qos === 1) this.#append(route.partition, view, expiresAt, false, client, token);
      else this.#appendOnce(route.partition, view, expiresAt, client, token);
      return 'queued';
    }
    if (route.shared.length > 0) {
      view.expiresAtSeconds = expiresAt;
      this.#o.shared.publish(route.shared, view, expiresAt);
    }
    if (view.retain) {
      // From the log only, so that it cannot fall between a subscription and its retained
      // messages (protocol 4).
      this.#append(route.partition, view, expiresAt, false, undefined, 0);
      return 'sent';
    }
    if (!route.local.empty) {
      view.expiresAtSeconds = expiresAt;
      this.delivered += route.local.deliver(view, route.partition, NO_POSITION);
    }
    if (route.peers.length > 0) this.#o.peers.send(route.peers, view, expiresAt);
    if (route.routed) this.#append(route.partition, view, expiresAt, true, undefined, 0);
    return 'sent';
  }

  /** Delivers a message of another gateway's QoS 0, or of a frame (with its position). */
  deliver(view: PublishView, partition: number, position: Position): void {
    if (view.hasExpired(this.#o.clock)) {
      this.expired++;
      return;
    }
    const { local } = this.#route(this.#topic.keyOf(view), view);
    if (!local.empty) this.delivered += local.deliver(view, partition, position);
  }

  /** QoS 0 from another gateway. */
  deliverFromPeer(view: PublishView): void {
    this.deliver(view, 0, NO_POSITION);
  }

  #append(
    partition: number,
    view: PublishView,
    expiresAt: number,
    liveElsewhere: boolean,
    client: LocalClient | undefined,
    token: number,
  ): void {
    const appender = this.#o.appenders[partition] as PartitionAppender;
    if (!appender.add(view, expiresAt, liveElsewhere, client, token)) this.#o.onFull(partition);
  }

  /** QoS 2: with the key that tells repeats, if its session is stored. */
  #appendOnce(
    partition: number,
    view: PublishView,
    expiresAt: number,
    client: LocalClient,
    token: number,
  ): void {
    const { appenders, keys, onFull } = this.#o;
    const key = keys.keyOf(client, view.packetIdentifier, partition);
    const isRoom = appenders[partition]?.add(view, expiresAt, false, client, token, key);
    if (isRoom === false) onFull(partition);
  }

  /** Absolute expiry, seconds since 1970, rounded up; 0 = never. */
  #expiry(view: PublishView): number {
    const interval = view.messageExpiryIntervalSeconds;
    if (interval < 0) return 0;
    return Math.min(0xffffffff, Math.ceil(this.#o.clock.wallMs() / 1000) + interval);
  }

  #route(key: string, view: PublishView): TopicRoute {
    const { table, peers, shared } = this.#o;
    let route = key === this.#lastKey ? this.#lastRoute : this.#routes.get(key);
    if (route === undefined) {
      if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
      const hash = hashBytes(view.buffer, view.topicStart + 2, view.topicEnd);
      route = {
        partition: partitionOf(hash, this.#o.partitions),
        local: table.route(key),
        peers: [],
        peersGeneration: 0,
        shared: NO_SHARED,
        sharedGeneration: 0,
        routed: false,
        routedGeneration: 0,
      };
      if (key.length <= CACHED_TOPIC_BYTES_MAX) this.#routes.set(key, route);
    } else if (route.local.generation !== table.generation) route.local = table.route(key);
    if (route.peersGeneration !== peers.generation) {
      route.peers = peers.route(key);
      route.peersGeneration = peers.generation;
    }
    if (route.sharedGeneration !== shared.generation) {
      route.shared = shared.match(key);
      route.sharedGeneration = shared.generation;
    }
    if (route.routedGeneration !== this.#eventGeneration) {
      route.routed = this.#eventIndex.matchInto(key, this.#eventMatches) > 0;
      route.routedGeneration = this.#eventGeneration;
    }
    this.#lastKey = key;
    this.#lastRoute = route;
    return route;
  }
}
