/**
 * Memory connection — one client's connection to the memory server: two links, a life, a loss.
 *
 * Shape: an epoch per connection; what belongs to an older one is not heard any more. Loss is
 *        noticed at once (the server died, the socket was cut) or by silence (partition, stopped
 *        server), and everything that waits ends with it, as in nats/.
 * Landing: what was sent before a loss may or may not have got through: a prefix drawn by chance
 *        arrives, at once or when the partition heals.
 */
import type { Timer } from '#base';
import { drawSpan } from './faults.ts';
import { Channel } from './channel.ts';
import type { MemoryServer } from './memory-server.ts';
import type { SimProcess } from './sim-process.ts';

/** Silence until a connection counts as lost, as nats/link notices it. */
const SILENCE_MS = [2_000, 3_000] as const;
/** Until a lost connection is made anew. */
const RECONNECT_MS = [50, 1_000] as const;

export class MemoryConnection {
  connected = false;
  /** Counts connections. */
  epoch = 0;

  readonly #server: MemoryServer;
  readonly #process: SimProcess;
  readonly #onChange: (connected: boolean) => void;
  readonly #up: Channel;
  #down: Channel;
  #partitioned = false;
  #closed = false;
  /** Bytes sent on a lost connection still arrive until then. */
  #cutMs = 0;
  /** Stood in a stopped server's buffers when the connection was given up. */
  #landAtHeal: (() => void)[] = [];
  #landing = false;
  #silence: Timer | undefined;

  constructor(server: MemoryServer, process: SimProcess, onChange: (connected: boolean) => void) {
    this.#server = server;
    this.#process = process;
    this.#onChange = onChange;
    this.#up = new Channel(server.clock, server.random, server.faults);
    this.#down = new Channel(server.clock, server.random, server.faults);
    if (server.up) this.#establish();
    else this.#planConnect();
  }

  /** Sends to the server; `arrive` runs there, unless the connection was cut before. */
  toServer(arrive: () => void): void {
    const { epoch } = this;
    this.#up.send(() => {
      const lost = epoch !== this.epoch || !this.connected;
      if (!lost || this.#landing || this.#server.clock.nowMs() <= this.#cutMs) arrive();
    });
  }

  /** Sends to the client of connection `epoch`; `arrive` runs in its process. */
  toClient(epoch: number, arrive: () => void): void {
    if (epoch !== this.epoch) return;
    this.#down.send(() => {
      this.#process.run('network', () => {
        if (epoch === this.epoch && this.connected) arrive();
      });
    });
  }

  /** Nothing gets through in either direction; noticed by silence. */
  block(): void {
    if (this.#partitioned) return;
    this.#partitioned = true;
    this.#up.block();
    this.#down.block();
    if (!this.connected) return;
    const { clock, random } = this.#server;
    const { epoch } = this;
    this.#silence = clock.after(drawSpan(random, SILENCE_MS), () => {
      this.#process.run('timer', () => {
        // After a stop that outlasted the partition, the answer to the ping is there already.
        if (epoch === this.epoch && this.#partitioned) this.lose();
      });
    });
  }

  unblock(): void {
    if (!this.#partitioned) return;
    this.#partitioned = false;
    if (this.#silence !== undefined) this.#server.clock.cancel(this.#silence);
    this.#up.unblock();
    this.#down.unblock();
    const landing = this.#landAtHeal;
    this.#landAtHeal = [];
    this.#landing = true;
    for (const arrive of landing) arrive();
    this.#landing = false;
  }

  /** The connection is gone and the client knows it. */
  lose(): void {
    if (!this.connected) return;
    const { clock, random, faults } = this.#server;
    this.connected = false;
    this.#cutMs = clock.nowMs() + random() * faults.linkMs[1];
    const held = this.#up.takeHeld();
    this.#landAtHeal.push(...held.slice(0, Math.floor(random() * (held.length + 1))));
    this.#down.takeHeld();
    this.#onChange(false);
    this.#planConnect();
  }

  /** The process is gone: what it sent arrives, nothing else happens. */
  abandon(): void {
    this.#closed = true;
    this.connected = false;
    this.#cutMs = Number.POSITIVE_INFINITY;
    this.#onChange(false);
  }

  #planConnect(): void {
    const { clock, random } = this.#server;
    clock.after(drawSpan(random, RECONNECT_MS), () => {
      this.#process.run('timer', () => {
        if (this.#closed || this.connected) return;
        if (this.#partitioned || !this.#server.up) this.#planConnect();
        else this.#establish();
      });
    });
  }

  #establish(): void {
    this.epoch++;
    this.connected = true;
    this.#down = new Channel(this.#server.clock, this.#server.random, this.#server.faults);
    this.#onChange(true);
  }
}
