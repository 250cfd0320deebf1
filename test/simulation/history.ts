/**
 * A history: a seeded run of a cluster under faults, and the check of what everybody saw.
 *
 * Shape: traffic all the time; faults of the setting strike between; then all faults end, the
 *        cluster drains, and the checker looks at every client.
 */
import { STILLNESS_MS } from '../../services/dispatcher/stillness.ts';
import { Chaos } from './chaos.ts';
import { Checker } from './checker.ts';
import type { HistorySetting } from './history-setting.ts';
import { SessionTraffic } from './session-traffic.ts';
import { SimCluster, type SimGateway, type Tamper } from './sim-cluster.ts';
import type { SimClient } from './sim-client.ts';
import { CONTESTED, TOPICS, Traffic } from './traffic.ts';

export type { HistorySetting } from './history-setting.ts';

const STEP_MS = 20;
/** Reports and state records are written a few times a second, slow clients take seconds. */
const CHECKPOINTS_MS = 30_000;
/** What is consumed or ended is told a few times a second. */
const LET_GO_MS = 10_000;

export interface HistoryStats {
  readonly published: number;
  readonly stored: number;
  readonly received: number;
  readonly receivedStored: number;
  readonly subscribers: number;
}

export class History {
  readonly cluster: SimCluster;
  readonly #setting: HistorySetting;
  readonly #traffic: Traffic;
  readonly #sessions: SessionTraffic;
  readonly #chaos: Chaos;
  readonly #checker: Checker;

  constructor(setting: HistorySetting, seed: number, tamper?: Tamper) {
    this.#setting = setting;
    this.cluster = new SimCluster({
      seed,
      ...setting,
      dispatchers: setting.dispatchers ?? 2,
      gateways: setting.gateways ?? 3,
      ...(tamper === undefined ? {} : { tamper }),
    });
    this.#traffic = new Traffic(this.cluster, setting);
    this.#sessions = new SessionTraffic(this.cluster, setting, this.#traffic);
    this.#chaos = new Chaos(this.cluster, setting);
    this.#checker = new Checker(this.cluster, this.#traffic);
  }

  get problems(): readonly string[] {
    return this.#checker.problems;
  }

  /** The whole history; what is wrong stands in `problems`. */
  run(): readonly string[] {
    const { cluster } = this;
    if (!cluster.runUntilReady(20_000)) this.#checker.fail('the cluster never became ready');
    this.#chaos.set(true);
    const endMs = cluster.clock.nowMs() + (this.#setting.seconds ?? 20) * 1_000;
    while (cluster.clock.nowMs() < endMs) {
      this.#chaos.strike(this.#chance);
      this.#traffic.act(this.#chance);
      this.#sessions.act(this.#chance);
      cluster.runFor(STEP_MS);
    }
    this.#chaos.heal();
    this.#drain();
    if (!this.#sessions.comeBack()) this.#checker.fail('not all sessions came back');
    const qos0From = this.#lastEffort();
    this.#checkCheckpoints();
    this.#checker.check(this.#setting.qos0IsComplete === true ? 0 : qos0From, this.#sessions);
    this.#checkQueues();
    this.#checkRetained();
    this.#checkSessionsEnd();
    this.#checkEnd();
    return this.problems;
  }

  /** How much happened: a history in which nothing happens proves nothing. */
  stats(): HistoryStats {
    const { subscribed, published } = this.#traffic;
    const clients = new Set(subscribed.map(({ client }) => client));
    let received = 0;
    for (const client of clients) received += client.received.length;
    let receivedStored = 0;
    for (const { session } of this.#sessions.devices) {
      for (const life of session.lives) receivedStored += life.received.length;
    }
    return {
      published: published.length,
      stored: this.cluster.stored.length,
      received,
      receivedStored,
      subscribers: clients.size,
    };
  }

  readonly #chance = (perSecond: number | undefined): boolean => {
    if (perSecond === undefined || perSecond === 0) return false;
    return this.cluster.random() < (perSecond * STEP_MS) / 1_000;
  };

  #drain(): void {
    const { cluster } = this;
    const checker = this.#checker;
    cluster.runFor(20_000);
    const ready = cluster.runUntil(
      () => cluster.alive.every(({ core }) => core.acceptsConnect),
      30_000,
    );
    if (!ready) checker.fail('not every gateway accepts CONNECTs again');
    const settled = cluster.runUntil(
      () =>
        this.#traffic.publishers.every(({ client }) => !client.open || client.unacknowledged === 0),
      20_000,
    );
    if (!settled) checker.fail('publishes of open clients stay unacknowledged');
  }

  /** Everything flows again: at each gateway somebody publishes, and it must arrive. */
  #lastEffort(): number {
    const { cluster } = this;
    const from = this.#traffic.published.length;
    for (const gateway of cluster.alive) {
      const client = this.#connect(gateway, `last of ${gateway.bus.control.name}`, 'last');
      if (client === undefined) continue;
      this.#traffic.publishers.push({ client, gateway });
      for (const topic of TOPICS) {
        for (const qos of [1, 0] as const) {
          this.#traffic.publish({ client, gateway }, topic, { qos, bytes: 0, expires: false });
        }
      }
    }
    cluster.runFor(6_000);
    return from;
  }

  #connect(gateway: SimGateway, identifier: string, name: string): SimClient | undefined {
    const client = this.cluster.client(gateway, identifier, name);
    client.connect();
    this.cluster.runUntil(() => client.granted !== undefined, 10_000);
    if (client.open) return client;
    this.#checker.fail(`${identifier} was not let in: ${String(client.granted)}`);
    return undefined;
  }

  /** I9: nothing holds the checkpoints when all has been delivered. */
  #checkCheckpoints(): void {
    const { cluster } = this;
    const atHead = cluster.runUntil(
      () => cluster.checkpointLags.every((lag) => lag === 0),
      CHECKPOINTS_MS,
    );
    if (atHead) return;
    this.#checker.fail(`I9: checkpoints stay behind by ${cluster.checkpointLags.join(', ')}`);
  }

  /** S9: what has been read leaves the queues: at once, or with the cursor of who leaves. */
  #checkQueues(): void {
    const { cluster } = this;
    const areEmpty = (): boolean => cluster.queuedEntries === 0;
    if (this.#setting.storedIsExact !== true) this.#sessions.leaveAll();
    if (cluster.runUntil(areEmpty, LET_GO_MS)) return;
    this.#checker.fail(`S9: ${cluster.queuedEntries} entries stay in queues that have been read`);
  }

  /** Nothing is left of sessions that have ended. */
  #checkSessionsEnd(): void {
    const { cluster } = this;
    if (!this.#sessions.endAll()) this.#checker.fail('not all sessions could be ended');
    if (cluster.runUntil(() => cluster.leftOfSessions.every((n) => n === 0), LET_GO_MS)) return;
    const [records, entries, messages] = cluster.leftOfSessions;
    const left = `${records} records, ${entries} entries, ${messages} messages`;
    this.#checker.fail(`${left} are left of sessions that have ended`);
  }

  #checkRetained(): void {
    for (const gateway of this.cluster.alive) {
      const name = `retained at ${gateway.bus.control.name}`;
      const client = this.#connect(gateway, name, 'retained');
      let isAnswered = false;
      client?.subscribe('#', () => {
        isAnswered = true;
      });
      this.cluster.runUntil(() => isAnswered, 10_000);
      this.cluster.runFor(3_000);
      if (client !== undefined) this.#checker.checkRetained(client);
    }
  }

  #checkEnd(): void {
    const { cluster } = this;
    for (const { dispatcher, killed } of cluster.dispatchers) {
      if (killed) continue;
      for (const owner of dispatcher.owners) {
        const { partition, lagRecords, linksBehind } = owner;
        if (lagRecords > 0) this.#checker.fail(`partition ${partition} lags at the end`);
        if (linksBehind > 0) this.#checker.fail(`partition ${partition}: a gateway stays behind`);
      }
    }
    for (const { ended, core } of cluster.gateways) {
      if (!ended || this.#chaos.mayEndGateways) continue;
      // A report that was lost again and again is as good as none (protocol 9).
      const silentMs = cluster.silentBeforeEndMs.get(core.incarnation) ?? 0;
      if (this.#setting.appendLost !== undefined && silentMs >= STILLNESS_MS - 500) continue;
      this.#checker.fail('a gateway was ended though none was killed or stopped');
    }
    this.#checkReleased();
  }

  /** When all are gone, anybody may have the identifiers that were fought for. */
  #checkReleased(): void {
    const { cluster } = this;
    for (const { clients } of cluster.alive) {
      for (const client of clients) if (client.open) client.disconnect();
    }
    cluster.runFor(2_000);
    const [gateway] = cluster.alive;
    if (gateway === undefined) return;
    for (const identifier of CONTESTED) this.#connect(gateway, identifier, 'a third name');
  }
}
