/**
 * Keep-alive wheel — all time-outs of connections, on one timer.
 *
 * Shape: a ring of slots of TICK_MS; an entry stands in the slot in which it would be due. Hearing
 *        from a client is one assignment; only when its slot comes up is it looked at again.
 * Time:  counted in ticks, one per timer call: while the loop was busy no time passes, so nobody is
 *        ended for bytes that we have not yet read. Late by up to one tick.
 * Cost:  per tick the entries of one slot. Spec: MQTT 5 [MQTT-3.1.2-22].
 */
import type { Clock, Timer } from '#base';

export const TICK_MS = 250;
/** 34 minutes; what is due later is looked at in between. */
const SLOT_COUNT = 8_192;

/** One time-out; its owner sets `heardTick = wheel.tick` whenever it hears from the client. */
export interface WheelEntry {
  heardTick: number;
  /** Ticks of silence until `onSilence`. Changed only through `arm`. */
  spanTicks: number;
  /** Managed by the wheel; -1 = not in it. */
  slot: number;
  /** Silent for the whole span. The entry is out of the wheel; `arm` puts it back. */
  onSilence(): void;
}

export class KeepAliveWheel {
  /** Ticks since the start. */
  tick = 0;
  readonly #clock: Clock;
  readonly #slots: (Set<WheelEntry> | undefined)[] = Array.from({ length: SLOT_COUNT });
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(): void {
    this.#timer ??= this.#clock.after(TICK_MS, () => this.#turn());
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.cancel(this.#timer);
    this.#timer = undefined;
  }

  /** (Re)starts the entry's time-out: due after `seconds` of silence from now on. */
  arm(entry: WheelEntry, seconds: number): void {
    this.disarm(entry);
    entry.spanTicks = Math.ceil((seconds * 1_000) / TICK_MS);
    entry.heardTick = this.tick;
    this.#place(entry);
  }

  disarm(entry: WheelEntry): void {
    if (entry.slot < 0) return;
    this.#slots[entry.slot]?.delete(entry);
    entry.slot = -1;
  }

  /** One tick; called by the timer, and by tests. */
  advance(): void {
    this.tick++;
    const slot = this.tick % SLOT_COUNT;
    const entries = this.#slots[slot];
    if (entries === undefined || entries.size === 0) return;
    this.#slots[slot] = undefined;
    for (const entry of entries) {
      entry.slot = -1;
      if (this.tick - entry.heardTick > entry.spanTicks) entry.onSilence();
      else this.#place(entry);
    }
  }

  #turn(): void {
    this.#timer = undefined;
    this.start();
    this.advance();
  }

  #place(entry: WheelEntry): void {
    // One more: the tick under way has begun at some time before now.
    const dueTick = entry.heardTick + entry.spanTicks + 1;
    const slot = Math.min(dueTick, this.tick + SLOT_COUNT - 1) % SLOT_COUNT;
    entry.slot = slot;
    (this.#slots[slot] ??= new Set()).add(entry);
  }
}
