/**
 * Interest publisher — tells everybody which topic filters this gateway has subscribers for.
 *
 * Shape: filters are reference-counted; what changed in a turn of the loop goes out as one delta,
 *        version v−1 → v; whole only to who asks, in chunks (protocol 16).
 * Owner: one per gateway. Cost: a map entry per distinct filter.
 * Lost:  a delta may be lost; followers see the gap in the versions and ask.
 */
import type { Clock } from '#base';
import type { Bus, BusMessage } from '#bus';
import {
  CHUNK_BYTES_MAX,
  decodeAsk,
  encodeMessage,
  hear,
  type InterestAsk,
  interestAskSubject,
  type InterestDelta,
  interestSubject,
  type InterestWhole,
} from '#frames';

export class InterestPublisher {
  /** Requests that could not be read. */
  damaged = 0;

  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #incarnation: string;
  readonly #counts = new Map<string, number>();
  /** What the next delta says: true = added, false = removed. */
  readonly #changed = new Map<string, boolean>();
  readonly #unsubscribe: () => void;
  #version = 0;
  #planned = false;

  constructor(bus: Bus, clock: Clock, incarnation: string) {
    this.#bus = bus;
    this.#clock = clock;
    this.#incarnation = incarnation;
    const subject = interestAskSubject(incarnation);
    const onDamaged = (): void => void this.damaged++;
    this.#unsubscribe = hear(bus, subject, decodeAsk, (ask, m) => this.#answer(ask, m), onDamaged);
  }

  /** The version already told. */
  get version(): number {
    return this.#version;
  }
  get filterCount(): number {
    return this.#counts.size;
  }

  /**
   * Counts one more subscription. Returns the version in which this filter counts: the next one
   * when it is new, else 0: it has been told already (a pending one keeps its own version).
   */
  add(topicFilter: string): number {
    const count = this.#counts.get(topicFilter) ?? 0;
    this.#counts.set(topicFilter, count + 1);
    if (count > 0) return this.#changed.get(topicFilter) === true ? this.#version + 1 : 0;
    // Also when it was removed in this turn: the caller waits for an answer of its own version.
    this.#changed.set(topicFilter, true);
    this.#plan();
    return this.#version + 1;
  }

  remove(topicFilter: string): void {
    const count = this.#counts.get(topicFilter) ?? 0;
    if (count > 1) {
      this.#counts.set(topicFilter, count - 1);
      return;
    }
    if (count === 0) return;
    this.#counts.delete(topicFilter);
    this.#changed.set(topicFilter, false);
    this.#plan();
  }

  close(): void {
    this.#unsubscribe();
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#clock.whenIdle(() => this.#tell());
  }

  #tell(): void {
    this.#planned = false;
    if (this.#changed.size === 0) return;
    const add: string[] = [];
    const remove: string[] = [];
    for (const [topicFilter, added] of this.#changed) (added ? add : remove).push(topicFilter);
    this.#changed.clear();
    const delta: InterestDelta = { from: this.#version, to: this.#version + 1, add, remove };
    this.#version++;
    const bytes = encodeMessage(delta);
    // Too large for one message: followers get the gap with the next version and ask for chunks.
    if (bytes.length <= CHUNK_BYTES_MAX) {
      this.#bus.publish(interestSubject(this.#incarnation), bytes);
      return;
    }
    const notice: InterestDelta = { from: null, to: this.#version, add: [], remove: [] };
    this.#bus.publish(interestSubject(this.#incarnation), encodeMessage(notice));
  }

  #answer({ ask, have }: InterestAsk, { reply }: BusMessage): void {
    if (reply === undefined || have === this.#version) return;
    const chunks = this.#chunks();
    chunks.forEach((filters, part) => {
      const whole: InterestWhole = {
        inc: this.#incarnation,
        ask,
        version: this.#version,
        part,
        parts: chunks.length,
        filters,
      };
      this.#bus.publish(reply, encodeMessage(whole));
    });
  }

  /** All told filters, in pieces that fit a message. What is not told yet stays out. */
  #chunks(): string[][] {
    const chunks: string[][] = [[]];
    let bytes = 0;
    const put = (topicFilter: string): void => {
      const size = Buffer.byteLength(topicFilter, 'utf8') * 2 + 4;
      if (bytes + size > CHUNK_BYTES_MAX) {
        chunks.push([]);
        bytes = 0;
      }
      bytes += size;
      chunks.at(-1)?.push(topicFilter);
    };
    for (const topicFilter of this.#counts.keys()) {
      if (this.#changed.get(topicFilter) !== true) put(topicFilter);
    }
    for (const [topicFilter, added] of this.#changed) if (!added) put(topicFilter);
    return chunks;
  }
}
