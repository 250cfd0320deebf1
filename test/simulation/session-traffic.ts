/**
 * Traffic of stored sessions: devices that come, subscribe, are slow, lose their connections, move
 * to other gateways while connected, start clean, and stay away.
 */
import type { HistorySetting } from './history-setting.ts';
import type { SimCluster, SimGateway } from './sim-cluster.ts';
import { SimSession } from './sim-session.ts';
import type { Manner, StoredClient } from './stored-client.ts';
import type { Traffic } from './traffic.ts';

const FILTERS = ['a/+', 'a/1', 'b/#', '#', '+/1', 'd/e/+', 'c', 'd/#', 'a/2', 'b/2'];

const QUICK: Manner = { acknowledgesAfterMs: [0.2, 3], receiveMaximum: 20, backlogMax: 40 };
const LATE: Manner = { acknowledgesAfterMs: [5, 400], receiveMaximum: 8, backlogMax: 8 };
/** Acknowledges nothing for seconds: its gateway has to have it filed. */
const SLOW: Manner = { acknowledgesAfterMs: [500, 6_000], receiveMaximum: 10, backlogMax: 10 };

const LONG_SECONDS = 3_600;
const SHORT_SECONDS = [1, 3, 6];

// Chances per second and device, times the setting's pace.
const CONNECTS = 1.2;
const CLEAN_START = 0.08;
const NO_EXPIRY = 0.05;
const LEAVES = 0.12;
const BREAKS = 0.12;
const VANISHES = 0.08;
const MOVES = 0.12;
const SUBSCRIBES = 0.5;
const UNSUBSCRIBES = 0.15;

type Chance = (perSecond: number | undefined) => boolean;

export interface Connection {
  readonly client: StoredClient;
  readonly gateway: SimGateway;
}

export class Device {
  readonly session: SimSession;
  manner: Manner;
  current: Connection | undefined;
  /** Let in before and not yet ended. */
  older: Connection[] = [];

  constructor(session: SimSession, manner: Manner) {
    this.session = session;
    this.manner = manner;
  }

  get client(): StoredClient | undefined {
    return this.current?.client;
  }
  get online(): boolean {
    return this.current?.client.open === true;
  }
}

export class SessionTraffic {
  readonly devices: readonly Device[];
  readonly #cluster: SimCluster;
  readonly #setting: HistorySetting;
  readonly #traffic: Traffic;

  constructor(cluster: SimCluster, setting: HistorySetting, traffic: Traffic) {
    this.#cluster = cluster;
    this.#setting = setting;
    this.#traffic = traffic;
    const { devices = 0, storedIsExact = false } = setting;
    this.devices = Array.from({ length: devices }, (_, i) => {
      return new Device(new SimSession(`d${i}`, storedIsExact), this.#mannerOf());
    });
  }

  #mannerOf(): Manner {
    const draw = this.#cluster.random();
    if (draw < (this.#setting.slow ?? 0)) return SLOW;
    return draw < 0.7 ? QUICK : LATE;
  }

  act(chance: Chance): void {
    const pace = this.#setting.pace ?? 1;
    for (const device of this.devices) {
      const may = (perSecond: number): boolean => chance(perSecond * pace);
      const { current } = device;
      if (current === undefined || (!current.client.open && !current.client.waits)) {
        if (may(CONNECTS)) this.#connect(device);
      } else if (current.client.waits) {
        if (chance(0.2)) this.#giveUp(current);
      } else this.#actOnline(device, current, may);
    }
  }

  #actOnline(device: Device, current: Connection, may: (perSecond: number) => boolean): void {
    const { random } = this.#cluster;
    const { client, gateway } = current;
    if (may(MOVES)) return this.#connect(device);
    if (may(VANISHES)) return client.vanish(random() * 4_000);
    if (!runs(gateway) || gateway.paused) return;
    if (may(SUBSCRIBES)) this.#subscribe(client);
    if (may(UNSUBSCRIBES)) {
      const entry = this.#cluster.pick(client.life?.present ?? []);
      if (entry !== undefined) client.unsubscribe(entry.topicFilter);
    }
    if (device.manner === SLOW && may(0.5)) client.stalled = !client.stalled;
    if (may(BREAKS)) return client.breakOff();
    if (!may(LEAVES)) return;
    const shorter = client.sessionExpirySeconds > 0 && random() < (this.#setting.shortExpiry ?? 0);
    client.disconnect(shorter ? SHORT_SECONDS[0] : undefined);
  }

  #giveUp({ client, gateway }: Connection): void {
    if (runs(gateway)) client.breakOff();
  }

  #subscribe(client: StoredClient): void {
    const { random } = this.#cluster;
    const at = Math.floor(random() * FILTERS.length);
    const qos = random() < (this.#setting.qos2 ?? 0) ? 2 : 1;
    client.subscribe(FILTERS[at] ?? 'c', at === 0 && random() < 0.5 ? 0 : qos, at + 1);
  }

  /** As many clients do that do not look whether their session is present. */
  #subscribeAgain(client: StoredClient): void {
    const { resubscribes = 0 } = this.#setting;
    if (resubscribes === 0 || this.#cluster.random() >= resubscribes) return;
    for (const { topicFilter, qos, subscriptionIdentifier } of client.life?.present ?? []) {
      client.subscribe(topicFilter, qos, subscriptionIdentifier);
    }
  }

  #connect(device: Device): void {
    const cluster = this.#cluster;
    const gateway = cluster.pick(cluster.alive);
    if (gateway === undefined || !runs(gateway) || !gateway.core.acceptsConnect) return;
    const { session } = device;
    const cleanStart = session.unsure || cluster.random() < CLEAN_START;
    this.connect(device, gateway, cleanStart, this.#drawExpiry());
  }

  #drawExpiry(): number {
    const { random } = this.#cluster;
    if (random() < NO_EXPIRY) return 0;
    if (random() >= (this.#setting.shortExpiry ?? 0)) return LONG_SECONDS;
    return this.#cluster.pick(SHORT_SECONDS) ?? LONG_SECONDS;
  }

  connect(
    device: Device,
    gateway: SimGateway,
    cleanStart: boolean,
    sessionExpirySeconds: number,
  ): void {
    const { session, manner, current } = device;
    if (current !== undefined) device.older.push(current);
    device.older = device.older.filter(({ client }) => client.closedFor === undefined);
    const options = { cleanStart, sessionExpirySeconds, manner };
    const published = (): number => this.#traffic.published.length;
    const client = this.#cluster.storedClient(gateway, session, options, published);
    device.current = { client, gateway };
    client.connect(() => {
      if (client.life === undefined) return;
      for (const { client: older } of device.older) older.supersede();
      if (client.life.present.length === 0) this.#subscribe(client);
      else this.#subscribeAgain(client);
    });
  }

  /** Nothing goes wrong any more: everybody comes back and reads. True: nobody is missing. */
  comeBack(): boolean {
    const cluster = this.#cluster;
    for (const device of this.devices) {
      const { session, current } = device;
      device.manner = QUICK;
      if (current?.client.open === true) current.client.behave(QUICK);
      if (device.online && cluster.random() < 0.5) continue;
      const gateway = cluster.pick(cluster.alive.filter(({ core }) => core.acceptsConnect));
      if (gateway !== undefined) this.connect(device, gateway, session.unsure, LONG_SECONDS);
    }
    return cluster.runUntil(() => this.devices.every(({ online }) => online), 20_000);
  }

  /** All leave in order; their sessions stay. */
  leaveAll(): void {
    for (const { current, older } of this.devices) {
      for (const { client } of older) client.breakOff();
      current?.client.disconnect();
    }
  }

  /** Ends all sessions: by a clean start without expiry, or with the connection. */
  endAll(): boolean {
    const cluster = this.#cluster;
    for (const device of this.devices) {
      if (device.online) continue;
      const gateway = cluster.pick(cluster.alive);
      if (gateway !== undefined) this.connect(device, gateway, true, 0);
    }
    const areBack = cluster.runUntil(() => this.devices.every(({ online }) => online), 10_000);
    for (const { current } of this.devices) current?.client.disconnect(0);
    return areBack;
  }
}

function runs({ bus }: SimGateway): boolean {
  return bus.control.state === 'running';
}
