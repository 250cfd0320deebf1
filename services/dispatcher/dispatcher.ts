/**
 * Dispatcher — one process of the dispatchers' reader group: its partitions, its lines to gateways.
 *
 * Shape: glue between the reader group (who owns what), the switchboard (who wants what) and one
 *        PartitionOwner per partition; two clocks: beacons and repeats.
 */
import type { Clock, Random, Timer } from '#base';
import type { Bus } from '#bus';
import { DISPATCH_GROUP, type ReaderEvent, ReaderGroup } from '#reader';
import { DispatchCounters } from './dispatch-counters.ts';
import { SessionView } from '#session-store';
import { CONSUMED_TABLE, FILED_FOR_TABLE } from './filed-store.ts';
import { OUT_TABLE } from './out-table.ts';
import { GroupBoard } from './group-board.ts';
import { GROUP_OVER_TABLE, GROUP_TABLE } from './group-store.ts';
import { type DispatchLimits, PartitionOwner } from './partition-owner.ts';
import { SessionBoard } from './session-board.ts';
import { Switchboard } from './switchboard.ts';
import { FIRED_NUMBER_TABLE, FIRED_TABLE } from './will-appender.ts';
import { WILL_TABLE } from './will-keeper.ts';

/** Empty ranges to every gateway (protocol 26). */
export const BEACON_MS = 200;
/** Tables of the state log whose values stay in memory. */
const RESIDENT_TABLES: ReadonlySet<number> = new Set([
  CONSUMED_TABLE,
  FILED_FOR_TABLE,
  OUT_TABLE,
  WILL_TABLE,
  FIRED_TABLE,
  FIRED_NUMBER_TABLE,
  GROUP_TABLE,
  GROUP_OVER_TABLE,
]);
/** Repeats of unanswered things, every so many beacons. */
const BEACONS_PER_TICK = 2;

export interface DispatcherOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly partitions: number;
  /** Name of this process for people. */
  readonly instance: string;
  /** Name of this process's life. */
  readonly member: string;
  readonly onEvent: (event: ReaderEvent) => void;
  /** Groups that must have registered before the log is trimmed. Default: all. */
  readonly trimsFor?: readonly string[];
  readonly limits?: DispatchLimits;
  /** Default GROUP_EXPIRY_SECONDS. */
  readonly groupExpirySeconds?: number;
}

export class Dispatcher {
  readonly counters = new DispatchCounters();
  readonly board: Switchboard;
  readonly sessions: SessionBoard;
  readonly group: ReaderGroup;
  readonly #clock: Clock;
  readonly #owners = new Set<PartitionOwner>();
  #timer: Timer | undefined;
  #beacons = 0;
  #leaves = false;
  #closed = false;

  constructor(options: DispatcherOptions) {
    const { bus, clock, random, partitions } = options;
    this.#clock = clock;
    const seed = Math.floor(random() * 0x1_0000_0000);
    const groups = new GroupBoard(clock, seed, options.groupExpirySeconds);
    this.board = new Switchboard(bus, clock, seed, groups);
    const view = new SessionView({ bus, clock, partitions });
    this.sessions = new SessionBoard(view, seed, groups);
    this.group = new ReaderGroup({
      ...options,
      group: DISPATCH_GROUP,
      residentTables: RESIDENT_TABLES,
      makeLogic: (context) => {
        const { board, sessions, counters } = this;
        const owner = new PartitionOwner(context, board, sessions, counters, options.limits);
        this.#owners.add(owner);
        return owner;
      },
    });
    this.group.leases.onGateway((incarnation, entry) => {
      if (entry === undefined) return this.board.leave(incarnation);
      this.board.join(incarnation);
      // A delta that was lost shows here, also when nobody waits for an answer about it.
      this.board.interest.require(incarnation, entry.content.filterVersion);
    });
  }

  /** Owners made and not yet ended. */
  get owners(): readonly PartitionOwner[] {
    for (const owner of this.#owners) if (owner.ended) this.#owners.delete(owner);
    return [...this.#owners];
  }

  /**
   * Takes partitions once the session logs have been read: that may take long, and until then
   * another one serves them better.
   */
  start(): void {
    this.sessions.view.start(() => {
      if (!this.#leaves && !this.#closed) this.group.start();
    });
    this.#planBeacon();
  }

  /** Gives up all partitions at once (SIGTERM). */
  leave(onDone: () => void): void {
    this.#leaves = true;
    this.group.leave(() => {
      this.#close();
      onDone();
    });
  }

  /** Ends without a word, as a killed process would. */
  kill(): void {
    this.group.kill();
    this.#close();
  }

  #close(): void {
    this.#closed = true;
    if (this.#timer !== undefined) this.#clock.cancel(this.#timer);
    this.board.close();
    this.sessions.view.close();
  }

  #planBeacon(): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after(BEACON_MS, () => {
      this.#beacons++;
      const ticks = this.#beacons % BEACONS_PER_TICK === 0;
      for (const owner of this.owners) {
        owner.beacon();
        if (ticks) owner.tick();
      }
      if (ticks) this.board.groups.tick();
      if (ticks) this.board.interest.tick();
      this.board.planFlush();
      this.#planBeacon();
    });
  }
}
