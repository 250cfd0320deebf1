/** Chaos of a history: processes die, stop, are cut off, come and go; NATS stalls and fails. */
import type { HistorySetting } from './history-setting.ts';
import type { SimCluster, SimGateway } from './sim-cluster.ts';

const SPARES = 3;
export const GATEWAYS_MAX = 6;
const LOST_SUBJECTS = ['frame.', 'owner.', 'interest.', 'ask.', 'heard.', '_INBOX.'];

type Chance = (perSecond: number | undefined) => boolean;

interface Stoppable {
  readonly bus: SimGateway['bus'];
}

export class Chaos {
  /** Something happened for which a gateway may be ended. */
  mayEndGateways = false;

  readonly #cluster: SimCluster;
  readonly #setting: HistorySetting;
  #outageUntilMs = 0;

  constructor(cluster: SimCluster, setting: HistorySetting) {
    this.#cluster = cluster;
    this.#setting = setting;
  }

  /** Chances per message begin or end. */
  set(on: boolean): void {
    const { faults } = this.#cluster.nats;
    const s = this.#setting;
    const probability = on ? (s.coreLoss ?? 0) : 0;
    faults.coreLoss = LOST_SUBJECTS.map((subjectPrefix) => ({ subjectPrefix, probability }));
    faults.appendAnswerLost = on ? (s.appendAnswerLost ?? 0) : 0;
    faults.appendLost = on ? (s.appendLost ?? 0) : 0;
    faults.appendStalled = on ? (s.appendStalled ?? 0) : 0;
    this.#cluster.damage = on ? (s.damage ?? 0) : 0;
    this.#cluster.lateViewMs = on ? (s.lateViewMs ?? 0) : 0;
  }

  strike(chance: Chance): void {
    const cluster = this.#cluster;
    const nowMs = cluster.clock.nowMs();
    if (this.#outageUntilMs > 0) {
      if (nowMs < this.#outageUntilMs) return;
      this.#outageUntilMs = 0;
      cluster.nats.recover();
    }
    this.#comeAndGo(chance);
    this.#stopOrCut(chance);
    if (chance(this.#setting.stall)) {
      const streams = [
        'GW',
        ...cluster.partitionNames.flatMap((p) => [
          `LOG_${p}`,
          `STATE_dispatch_${p}`,
          ...(this.#setting.devices === undefined ? [] : [`STATE_sessions_${p}`]),
        ]),
      ];
      cluster.nats.stallStream(cluster.pick(streams) ?? 'GW', cluster.random() * 8_000);
    }
    if (chance(this.#setting.outage)) {
      if (cluster.random() < 0.5) cluster.nats.crash();
      else cluster.nats.stop();
      this.#outageUntilMs = nowMs + 500 + cluster.random() * 15_000;
    }
  }

  #comeAndGo(chance: Chance): void {
    const cluster = this.#cluster;
    const s = this.#setting;
    const dispatchers = cluster.dispatchers.filter((d) => !d.killed);
    const dispatcher = cluster.pick(dispatchers);
    const gateway = cluster.pick(cluster.alive);
    if (chance(s.killGateway) && gateway !== undefined && cluster.alive.length > 1) {
      cluster.killGateway(gateway);
      this.mayEndGateways = true;
      cluster.addGateway();
    } else if (chance(s.leaveGateway) && gateway !== undefined && cluster.alive.length > 1) {
      if (!runs(gateway)) return;
      cluster.leaveGateway(gateway);
      if (cluster.random() < 0.7) cluster.addGateway();
    } else if (chance(s.joinGateway) && cluster.alive.length < GATEWAYS_MAX) cluster.addGateway();
    if (dispatcher === undefined) return;
    if (chance(s.killDispatcher)) {
      cluster.killDispatcher(dispatcher);
      if (dispatchers.length < SPARES) cluster.addDispatcher();
    } else if (chance(s.leaveDispatcher) && runs(dispatcher)) {
      cluster.leaveDispatcher(dispatcher);
      if (dispatchers.length < SPARES) cluster.addDispatcher();
    }
  }

  #stopOrCut(chance: Chance): void {
    const cluster = this.#cluster;
    const s = this.#setting;
    const dispatcher = cluster.pick(cluster.dispatchers.filter((d) => !d.killed));
    const gateway = cluster.pick(cluster.alive);
    if (chance(s.pauseDispatcher)) this.#pause(dispatcher);
    if (chance(s.pauseGateway)) {
      this.mayEndGateways = true;
      this.#pause(gateway);
    }
    const anyone = cluster.random() < 0.5 ? dispatcher : gateway;
    if (chance(s.disconnect)) anyone?.bus.control.disconnect();
    if (chance(s.partition) && anyone !== undefined) {
      this.mayEndGateways = true;
      const { control } = anyone.bus;
      control.partition();
      cluster.clock.after(200 + cluster.random() * 12_000, () => {
        if (control.state !== 'killed' && this.#outageUntilMs === 0) control.heal();
      });
    }
  }

  #pause(process: Stoppable | undefined): void {
    if (process === undefined || !runs(process)) return;
    const { control } = process.bus;
    control.pause();
    this.#cluster.clock.after(500 + this.#cluster.random() * 6_000, () => {
      if (control.state === 'paused') control.resume();
    });
  }

  heal(): void {
    this.set(false);
    this.#outageUntilMs = 0;
    const cluster = this.#cluster;
    cluster.nats.recover();
    for (const { bus } of [...cluster.gateways, ...cluster.dispatchers]) {
      if (bus.control.state === 'paused') bus.control.resume();
    }
  }
}

function runs({ bus }: Stoppable): boolean {
  return bus.control.state === 'running';
}
