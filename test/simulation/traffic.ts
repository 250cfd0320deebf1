/**
 * Traffic of a history: clients come, subscribe, publish, change their mind and go.
 *
 * What must hold for each is noted where it is done: from which publish on a subscription counts.
 */
import type { SimCluster, SimGateway } from './sim-cluster.ts';
import type { HistorySetting } from './history-setting.ts';
import type { SimClient } from './sim-client.ts';

export const TOPICS = ['a/1', 'a/2', 'a/3', 'b/1', 'b/2', 'c', 'd/e/f', 'd/e/g'];
const FILTERS = ['a/+', 'a/1', 'b/#', '#', '+/1', 'd/e/+', 'c', 'd/#'];
/** Identifiers that connections take from each other, under one of two names. */
export const CONTESTED = ['s0', 's1', 's2', 's3', 's4'];
const NAMES = ['name', 'Name', 'other'];
const BURST = [100, 400] as const;
/** Publishes of one client that wait for their acknowledgement, as receive maximum. */
const UNACKNOWLEDGED_MAX = 50;

export interface Subscribed {
  readonly client: SimClient;
  readonly gateway: SimGateway;
  readonly topicFilter: string;
  readonly qos: 0 | 1;
  /** Number of the first publish made after SUBACK; Infinity = not answered. */
  fromPublish: number;
  /** Unsubscribed: nothing is owed any more. */
  over: boolean;
}

export interface Published {
  readonly number: number;
  readonly topic: string;
  readonly id: string;
  readonly qos: 0 | 1 | 2;
  readonly client: SimClient;
  readonly gateway: SimGateway;
  readonly expires: boolean;
  readonly clears: boolean;
}

/** What kind of message a publish is. */
interface Kind {
  readonly qos: 0 | 1 | 2;
  readonly bytes: number;
  readonly expires: boolean;
  readonly retain?: boolean;
  readonly clears?: boolean;
}

export class Traffic {
  readonly subscribed: Subscribed[] = [];
  readonly published: Published[] = [];
  readonly publishers: { client: SimClient; gateway: SimGateway }[] = [];
  readonly #cluster: SimCluster;
  readonly #setting: HistorySetting;
  #clientNumber = 0;

  constructor(cluster: SimCluster, setting: HistorySetting) {
    this.#cluster = cluster;
    this.#setting = setting;
  }

  /** One step; `chance` is a draw per virtual second. */
  act(chance: (perSecond: number | undefined) => boolean): void {
    const cluster = this.#cluster;
    const gateway = cluster.pick(cluster.alive);
    if (gateway === undefined || gateway.bus.control.state !== 'running') return;
    if (gateway.core.acceptsConnect) {
      if (chance(2 * (this.#setting.cleanPace ?? 1))) this.#newSubscriber(gateway);
      this.#publisherAt(gateway);
    }
    for (let i = 0; i < (this.#setting.publishes ?? 3); i++) this.#publishOne();
    if (chance(0.3)) this.#leave();
    if (chance(1)) this.#changeMind();
    if (chance(this.#setting.burst)) this.#burst();
  }

  #publisherAt(gateway: SimGateway): void {
    if (this.publishers.some((p) => p.gateway === gateway && p.client.open)) return;
    const client = this.#cluster.client(gateway, `p${++this.#clientNumber}`);
    client.connect();
    this.publishers.push({ client, gateway });
  }

  #newSubscriber(gateway: SimGateway): void {
    const cluster = this.#cluster;
    const contested = cluster.random() < 0.3;
    const identifier = contested ? cluster.pick(CONTESTED) : `s${++this.#clientNumber}x`;
    const name = contested ? cluster.pick(NAMES) : undefined;
    const client = cluster.client(gateway, identifier ?? 's0', name);
    client.connect(() => {
      if (!client.open) return;
      const count = cluster.random() < 0.3 ? 2 : 1;
      for (let i = 0; i < count; i++) this.#subscribe(client, gateway);
    });
    // Some do not wait for the answer.
    if (cluster.random() < 0.1) cluster.clock.after(cluster.random() * 3, () => gone(client));
  }

  #subscribe(client: SimClient, gateway: SimGateway): void {
    const cluster = this.#cluster;
    const topicFilter = cluster.pick(FILTERS) ?? '#';
    const known = this.subscribed.some(
      (s) => s.client === client && s.topicFilter === topicFilter && !s.over,
    );
    if (known) return;
    const qos = cluster.random() < 0.2 ? 0 : 1;
    const entry = {
      client,
      gateway,
      topicFilter,
      qos,
      fromPublish: Infinity,
      over: false,
    } as const;
    this.#ask({ ...entry });
  }

  #ask(entry: Subscribed): void {
    this.subscribed.push(entry);
    const { client, topicFilter, qos } = entry;
    client.subscribe(
      topicFilter,
      () => {
        entry.fromPublish = this.published.length;
      },
      qos,
    );
  }

  /** Another filter, one filter less, or the same one anew: at once or a little later. */
  #changeMind(): void {
    const cluster = this.#cluster;
    const entry = cluster.pick(this.subscribed);
    if (entry === undefined || entry.over || !mayAct(entry)) return;
    const draw = cluster.random();
    if (draw < 0.3) {
      this.#subscribe(entry.client, entry.gateway);
      return;
    }
    entry.over = true;
    entry.client.unsubscribe(entry.topicFilter);
    if (draw < 0.5) return;
    const again = (): void => {
      const taken = this.subscribed.some(
        (s) => s.client === entry.client && s.topicFilter === entry.topicFilter && !s.over,
      );
      if (mayAct(entry) && !taken) this.#ask({ ...entry, fromPublish: Infinity, over: false });
    };
    if (draw < 0.75) again();
    else cluster.clock.after(cluster.random() * 30, again);
  }

  #publishOne(): void {
    const cluster = this.#cluster;
    const publisher = cluster.pick(this.publishers);
    if (publisher === undefined || !mayAct(publisher)) return;
    if (publisher.gateway.paused || publisher.client.unacknowledged > UNACKNOWLEDGED_MAX) return;
    const { largePayloadBytes = 0, payloadBytes = 0 } = this.#setting;
    const isLarge = largePayloadBytes > 0 && cluster.random() < 0.05;
    const qos = this.#drawQos();
    const expires = cluster.random() < (this.#setting.expiring ?? 0);
    const retain = qos > 0 && !expires && cluster.random() < 0.15;
    this.publish(publisher, cluster.pick(TOPICS) ?? 'c', {
      qos,
      bytes: isLarge ? largePayloadBytes : payloadBytes,
      expires,
      retain,
      clears: retain && cluster.random() < 0.2,
    });
  }

  #drawQos(): 0 | 1 | 2 {
    const draw = this.#cluster.random();
    if (draw < 0.25) return 0;
    return draw < 1 - 0.75 * (this.#setting.qos2 ?? 0) ? 1 : 2;
  }

  #burst(): void {
    const cluster = this.#cluster;
    const publisher = cluster.pick(this.publishers);
    if (publisher === undefined || !mayAct(publisher) || publisher.gateway.paused) return;
    const count = BURST[0] + Math.floor(cluster.random() * (BURST[1] - BURST[0]));
    for (let i = 0; i < count; i++) {
      const { payloadBytes: bytes = 0 } = this.#setting;
      this.publish(publisher, cluster.pick(TOPICS) ?? 'c', { qos: 1, bytes, expires: false });
    }
  }

  publish(
    { client, gateway }: { client: SimClient; gateway: SimGateway },
    topic: string,
    { qos, bytes, expires, retain = false, clears = false }: Kind,
  ): void {
    const number = this.published.length;
    const id = `${qos === 0 ? 'z' : 'm'}${number}`;
    this.published.push({ number, topic, id, qos, client, gateway, expires, clears });
    const expirySeconds = expires ? Math.floor(this.#cluster.random() * 4) : -1;
    client.publish({ topic, id, qos, bytes, expirySeconds, retain, clears });
  }

  #leave(): void {
    const entry = this.#cluster.pick(this.subscribed);
    if (entry !== undefined && mayAct(entry)) entry.client.disconnect();
  }
}

function gone(client: SimClient): void {
  if (client.closedFor === undefined) client.disconnect();
}

/** Whether a client can do anything: it is served, and its gateway runs. */
function mayAct({ client, gateway }: { client: SimClient; gateway: SimGateway }): boolean {
  return client.open && gateway.bus.control.state === 'running';
}
