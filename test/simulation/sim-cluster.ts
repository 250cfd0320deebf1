/**
 * A whole cluster in one thread of virtual time: real gateway cores, real dispatchers, a NATS twin.
 *
 * Everything that chance decides comes from one seed, so a history can be run again exactly.
 */
import type { Random } from '#base';
import { type Bus, MemoryCluster, type MemoryBus, SimClock, type StreamMessage } from '#bus';
import {
  decodeLease,
  LEASE_STREAM,
  leaseStreamConfig,
  parseLeaseSubject,
  type ReaderReport,
  readerLeaseSubject,
} from '#lease';
import { logStream, logStreamConfig, sequenceOf } from '#log';
import { DISPATCH_GROUP } from '#reader';
import type { Directory } from '#registry';
import { createLogger, type Metrics } from '#runtime';
import { sessionStreamConfig } from '#session-store';
import { stateStreamConfig } from '#state';
import { Dispatcher } from '../../services/dispatcher/dispatcher.ts';
import type { PartitionOwner } from '../../services/dispatcher/partition-owner.ts';
import { createGatewayCore } from '../../services/gateway/core.ts';
import type { GatewayCore } from '../../services/gateway/port.ts';
import { seededRandom } from '../fixtures/seeded-random.ts';
import { damaging, late, SESSION_LOGS } from './bad-bus.ts';
import { SimClient } from './sim-client.ts';
import type { SimSession } from './sim-session.ts';
import { StoredClient, type StoredConnect } from './stored-client.ts';

export interface SimOptions {
  readonly seed: number;
  readonly partitions?: number;
  readonly gateways?: number;
  readonly dispatchers?: number;
  readonly logBytesMax?: number;
  readonly tailBytes?: number;
  readonly windowBytes?: number;
  readonly lookedPerTurn?: number;
  readonly recordMessagesMax?: number;
  readonly pendingBytesMax?: number;
  /** Plants a fault: what a process gets instead of its bus. */
  readonly tamper?: Tamper;
}

/** Gives a process a bus that breaks one rule. */
export type Tamper = (bus: Bus, role: 'gateway' | 'dispatcher', random: Random) => Bus;

export interface SimGateway {
  readonly bus: MemoryBus;
  readonly core: GatewayCore;
  readonly clients: SimClient[];
  readonly storedClients: StoredClient[];
  /** Ids of messages that clean clients got live, in order. */
  readonly deliveredLive: string[];
  ended: boolean;
  /** Killed, or left in order. */
  killed: boolean;
  /** Reads no sockets now. */
  paused: boolean;
}

export interface SimDispatcher {
  readonly bus: MemoryBus;
  readonly dispatcher: Dispatcher;
  killed: boolean;
}

const everybodyMayEverything: Directory = {
  ready: true,
  authenticate: () => undefined,
  access: () => ({ mayPublish: () => true, maySubscribe: () => true }),
  eventFilters: () => [],
  onChange: () => () => undefined,
};

/** The real ones watch the process for as long as it lives, and would keep every history alive. */
const NO_METRICS: Metrics = {
  counter: () => undefined,
  gauge: () => undefined,
  histogram: () => ({ observe: () => undefined }),
  text: () => Promise.resolve(''),
};

export class SimCluster {
  readonly clock = new SimClock();
  readonly random: Random;
  readonly nats: MemoryCluster;
  readonly partitions: number;
  readonly gateways: SimGateway[] = [];
  readonly dispatchers: SimDispatcher[] = [];
  readonly events: string[] = [];
  /** Every record of the log ever stored, trimmed ones too: place in its stream → message. */
  readonly stored: [place: number, message: StreamMessage][] = [];
  /** Chance that a message between processes arrives damaged. */
  damage = 0;
  /** Dispatchers read session logs so much late, ms; drawn anew per message. */
  lateViewMs = 0;
  /** How late a dispatcher reads the next message of a session log, ms; scripts have their own. */
  lateViewOf = (_dispatcher: string): number =>
    this.lateViewMs === 0 ? 0 : this.lateViewMs * this.random();
  /** How late a dispatcher reads the next record of the log, ms. */
  lateLogOf = (_dispatcher: string): number => 0;
  /** Gateways that were ended, and how long after their last stored report, ms. */
  readonly silentBeforeEndMs = new Map<string, number>();
  readonly #reportedAtMs = new Map<string, number>();
  readonly #options: SimOptions;
  #connections = 0;

  constructor(options: SimOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed);
    this.partitions = options.partitions ?? 2;
    this.nats = new MemoryCluster(this.clock, this.random);
    this.nats.onStored((stream, message) => {
      if (stream.startsWith('LOG_')) this.stored.push([message.sequence, message]);
      if (stream === LEASE_STREAM) this.#noteLease(message);
    });
    this.nats.createStream(leaseStreamConfig(1));
    for (let p = 0; p < this.partitions; p++) {
      this.nats.createStream(logStreamConfig(p, 1, options.logBytesMax));
      this.nats.createStream(stateStreamConfig('dispatch', p, 1));
      this.nats.createStream(sessionStreamConfig(p, 1));
    }
    for (let i = 0; i < (options.dispatchers ?? 1); i++) this.addDispatcher();
    for (let i = 0; i < (options.gateways ?? 2); i++) this.addGateway();
  }

  #noteLease({ subject, payload }: StreamMessage): void {
    const name = parseLeaseSubject(subject);
    if (name?.kind !== 'gateway') return;
    const nowMs = this.clock.nowMs();
    const { incarnation } = name;
    if (decodeLease(payload).state === 'ended') {
      const reportedAtMs = this.#reportedAtMs.get(incarnation) ?? nowMs;
      this.silentBeforeEndMs.set(incarnation, nowMs - reportedAtMs);
    } else this.#reportedAtMs.set(incarnation, nowMs);
  }

  addGateway(): SimGateway {
    const number = this.gateways.length + 1;
    const bus = this.nats.connect(`gateway-${number}`);
    const { recordMessagesMax, pendingBytesMax } = this.#options;
    const core = createGatewayCore({
      bus: this.#busOf(bus, 'gateway'),
      limits: {
        ...(recordMessagesMax === undefined ? {} : { recordMessagesMax }),
        ...(pendingBytesMax === undefined ? {} : { pendingBytesMax }),
      },
      clock: bus.control.clock,
      random: this.random,
      logger: createLogger({ name: 'gateway', level: 'silent' }),
      metrics: NO_METRICS,
      directory: everybodyMayEverything,
      partitions: this.partitions,
      instance: `gateway-${number}`,
    });
    const gateway: SimGateway = {
      bus,
      core,
      clients: [],
      storedClients: [],
      deliveredLive: [],
      ended: false,
      killed: false,
      paused: false,
    };
    core.onPause((paused) => {
      gateway.paused = paused;
    });
    core.onEnded(() => {
      gateway.ended = true;
      this.#say(`gateway-${number} ended`);
    });
    core.start();
    this.gateways.push(gateway);
    return gateway;
  }

  addDispatcher(): SimDispatcher {
    const number = this.dispatchers.length + 1;
    const bus = this.nats.connect(`dispatcher-${number}`);
    const { tailBytes, windowBytes, lookedPerTurn } = this.#options;
    const dispatcher = new Dispatcher({
      bus: this.#busOf(bus, 'dispatcher'),
      clock: bus.control.clock,
      random: this.random,
      partitions: this.partitions,
      instance: `dispatcher-${number}`,
      member: `dispatcher-${number}`,
      onEvent: (event) => this.#say(`dispatcher-${number} ${JSON.stringify(event)}`),
      trimsFor: ['dispatch'],
      limits: {
        ...(tailBytes === undefined ? {} : { tailBytes }),
        ...(windowBytes === undefined ? {} : { windowBytes }),
        ...(lookedPerTurn === undefined ? {} : { lookedPerTurn }),
      },
    });
    dispatcher.start();
    const entry: SimDispatcher = { bus, dispatcher, killed: false };
    this.dispatchers.push(entry);
    return entry;
  }

  client(gateway: SimGateway, clientIdentifier: string, name?: string): SimClient {
    const client = new SimClient(
      gateway.core,
      this.clock,
      ++this.#connections,
      clientIdentifier,
      name,
    );
    client.onLive = (id) => gateway.deliveredLive.push(id);
    gateway.clients.push(client);
    return client;
  }

  storedClient(
    gateway: SimGateway,
    session: SimSession,
    options: Omit<StoredConnect, 'connectionNumber'>,
    published: () => number,
  ): StoredClient {
    const door = {
      core: gateway.core,
      clock: gateway.bus.control.clock,
      random: this.random,
      isPaused: () => gateway.paused,
      published,
      deliveredLive: gateway.deliveredLive,
    };
    const connectionNumber = ++this.#connections;
    const client = new StoredClient(door, session, { ...options, connectionNumber });
    gateway.storedClients.push(client);
    return client;
  }

  killGateway(gateway: SimGateway): void {
    gateway.killed = true;
    gateway.bus.control.kill();
    for (const client of gateway.clients) client.closedFor ??= 'connection_lost';
    for (const client of gateway.storedClients) client.gatewayDied();
  }

  /** As an edge does: everybody is told, then the lease is given back. */
  leaveGateway(gateway: SimGateway): void {
    gateway.killed = true;
    for (const client of gateway.clients) {
      if (client.closedFor === undefined) client.close('server_shutting_down');
    }
    for (const client of gateway.storedClients) client.close('server_shutting_down');
    void gateway.core.close();
  }

  leaveDispatcher(entry: SimDispatcher): void {
    entry.killed = true;
    entry.dispatcher.leave(() => undefined);
  }

  killDispatcher(entry: SimDispatcher): void {
    entry.killed = true;
    entry.bus.control.kill();
  }

  /** Live gateways that have not been ended. */
  get alive(): SimGateway[] {
    return this.gateways.filter((gateway) => !gateway.killed && !gateway.ended);
  }

  /** Per partition: records of the log above the checkpoint that its owner reported. */
  get checkpointLags(): number[] {
    return this.partitionNames.map((_, p) => {
      const head = this.nats.stream(logStream(p))?.lastSequence ?? 0;
      const last = this.nats
        .stream(LEASE_STREAM)
        ?.lastOnSubject(readerLeaseSubject(DISPATCH_GROUP, p));
      if (last?.kind !== 'found') return head;
      const { content } = decodeLease<ReaderReport>(last.message.payload);
      return Math.max(0, head - sequenceOf(content.checkpoint));
    });
  }

  /** Owners of partitions that are alive. */
  get owners(): readonly PartitionOwner[] {
    return this.dispatchers.filter(({ killed }) => !killed).flatMap((d) => d.dispatcher.owners);
  }

  /** Entries in the queues of stored sessions. */
  get queuedEntries(): number {
    return sum(this.owners.map(({ sessions }) => sessions.queues.entryCount));
  }

  /** Records at homes, entries in queues, messages kept for them. */
  get leftOfSessions(): readonly number[] {
    return [
      sum(this.owners.map(({ sessions }) => sessions.homeCount)),
      this.queuedEntries,
      sum(this.owners.map(({ sessions }) => sessions.queues.store.messageCount)),
    ];
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)];
  }

  /** Two digits each, as in names of streams. */
  get partitionNames(): string[] {
    return Array.from({ length: this.partitions }, (_, p) => String(p).padStart(2, '0'));
  }

  #busOf(bus: MemoryBus, role: 'gateway' | 'dispatcher'): Bus {
    let own = damaging(bus, this.random, () => this.damage);
    const { name, clock } = bus.control;
    if (role === 'dispatcher') {
      own = late(own, clock, SESSION_LOGS, () => this.lateViewOf(name));
      own = late(own, clock, 'LOG_', () => this.lateLogOf(name));
    }
    return this.#options.tamper?.(own, role, this.random) ?? own;
  }

  runFor(spanMs: number): void {
    this.clock.run(this.clock.nowMs() + spanMs);
  }

  runUntil(condition: () => boolean, withinMs: number): boolean {
    return this.clock.runUntil(condition, this.clock.nowMs() + withinMs);
  }

  /** Until all live gateways accept CONNECTs. */
  runUntilReady(withinMs = 10_000): boolean {
    return this.runUntil(() => this.alive.every(({ core }) => core.acceptsConnect), withinMs);
  }

  #say(event: string): void {
    this.events.push(`${Math.round(this.clock.nowMs())} ${event}`);
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
