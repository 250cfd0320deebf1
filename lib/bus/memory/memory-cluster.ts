/**
 * Memory cluster — a NATS twin for the seeded simulation: same contract, virtual time, faults.
 *
 * Shape: one server side and any number of processes, each with its bus. Everything chance decides
 *        comes from the `random` handed in: a seed replays a run exactly.
 * Use:   `cluster.createStream`, `cluster.connect('gateway-1')`, build the process on the bus and
 *        `bus.control.clock`, then `clock.run(...)` with faults in between.
 */
import type { Random } from '#base';
import type { StreamConfig, StreamMessage } from '../port.ts';
import { calmFaults, type Faults } from './faults.ts';
import { MemoryBus } from './memory-bus.ts';
import { MemoryServer } from './memory-server.ts';
import type { MemoryStream } from './memory-stream.ts';
import type { SimClock } from './sim-clock.ts';

export class MemoryCluster {
  /** What goes wrong by chance; may be changed while the run goes on. */
  readonly faults: Faults = calmFaults();
  readonly clock: SimClock;

  readonly #server: MemoryServer;
  readonly #buses = new Set<MemoryBus>();
  #stopped = false;

  constructor(clock: SimClock, random: Random) {
    this.clock = clock;
    this.#server = new MemoryServer(clock, random, this.faults);
  }

  /** A new process with its own connection; connected at once unless there is an outage. */
  connect(name: string): MemoryBus {
    for (const known of this.#buses)
      if (known.control.state === 'killed') this.#buses.delete(known);
    const bus = new MemoryBus(this.#server, name);
    this.#buses.add(bus);
    if (this.#stopped) bus.control.partition();
    return bus;
  }

  createStream(config: StreamConfig): void {
    this.#server.createStream(config);
  }

  /** The stream's content, for checkers; undefined when there is none of that name. */
  stream(name: string): MemoryStream | undefined {
    return this.#server.stream(name);
  }

  /** Told each stored message at its commit, before anybody else knows. Returns a remover. */
  onStored(listener: (stream: string, message: StreamMessage) => void): () => void {
    this.#server.storedListeners.add(listener);
    return () => this.#server.storedListeners.delete(listener);
  }

  /** All servers die: connections are cut; what was under way may have landed. */
  crash(): void {
    this.#server.crash();
    for (const bus of this.#buses) bus.onServerCrash();
  }

  /** All servers stand still (SIGSTOP): noticed by silence. */
  stop(): void {
    this.#stopped = true;
    for (const bus of this.#buses) bus.control.partition();
  }

  /** Ends `crash` and `stop`. Also heals the partitions of single processes. */
  recover(): void {
    this.#server.up = true;
    this.#stopped = false;
    for (const bus of this.#buses) bus.control.heal();
  }

  /** The stream has no leader for `spanMs`: 503, silence, and appends that land at its end. */
  stallStream(name: string, spanMs: number): void {
    this.#server.stall(name, spanMs);
  }
}
