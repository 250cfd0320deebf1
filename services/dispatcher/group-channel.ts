/**
 * Group channel — messages of shared subscriptions on their way to one gateway (docs/adr/0013).
 *
 * Shape: an outbox per group in the order of assignment; sections are numbered and kept until the
 *        gateway has taken them; without progress all of them are sent again.
 * Full:  CHANNEL_BYTES_MAX not taken: nothing more is assigned to this gateway.
 */
import type { GroupMessage } from '#frames';
import type { GroupEntry } from './group-queue.ts';

/** Bytes in sections that the gateway has not taken. Range 64 KiB – 64 MiB. */
const CHANNEL_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of messages in one section; a larger message has one alone. */
const SECTION_BYTES = 64 * 1024;
/** Sections are sent again after so long without progress, ms. A round trip takes milliseconds. */
const RESEND_MS = 500;
/** Messages of one group that are read from the store ahead. */
const READS_MAX = 128;

interface Section {
  readonly number: number;
  readonly group: string;
  readonly entries: readonly GroupMessage[];
  readonly bytes: number;
}

export interface GroupChannelOptions {
  readonly incarnation: string;
  readonly send: (number: number, group: string, entries: readonly GroupMessage[]) => void;
  /** Reads the entry's message; it is sent once it is there. */
  readonly load: (group: string, entry: GroupEntry) => void;
}

export class GroupChannel {
  readonly incarnation: string;
  /** Windows that the gateway has told, also of groups that are not known here yet. */
  readonly windows = new Map<string, number>();
  /** Reports applied, and those whose effects are durable. */
  reports = 0;
  heard = 0;
  readonly #o: GroupChannelOptions;
  readonly #outboxes = new Map<string, GroupEntry[]>();
  #outboxBytes = 0;
  #sections: Section[] = [];
  #bytes = 0;
  #number = 0;
  #progressAtMs = 0;

  constructor(options: GroupChannelOptions) {
    this.#o = options;
    this.incarnation = options.incarnation;
  }

  get isFull(): boolean {
    return this.#bytes + this.#outboxBytes >= CHANNEL_BYTES_MAX;
  }

  /** The entry was assigned to this gateway. */
  push(group: string, entry: GroupEntry): void {
    let outbox = this.#outboxes.get(group);
    if (outbox === undefined) this.#outboxes.set(group, (outbox = []));
    outbox.push(entry);
    this.#outboxBytes += entry.bytes;
  }

  /** Sends what can be sent. */
  flush(nowMs: number): void {
    if (this.#outboxes.size === 0) return;
    for (const [group, outbox] of this.#outboxes) {
      const rest = this.#sendFrom(group, outbox, nowMs);
      if (rest.length === 0) this.#outboxes.delete(group);
      else {
        this.#outboxes.set(group, rest);
        let reads = 0;
        for (const entry of rest) {
          if (reads === READS_MAX) break;
          if (entry.isOver || entry.message !== undefined) continue;
          reads++;
          this.#o.load(group, entry);
        }
      }
    }
  }

  /** Returns what waits for a message that has to be read. */
  #sendFrom(group: string, outbox: readonly GroupEntry[], nowMs: number): GroupEntry[] {
    let messages: GroupMessage[] = [];
    let bytes = 0;
    const close = (): void => {
      if (messages.length > 0) this.#send(group, messages, bytes, nowMs);
      messages = [];
      bytes = 0;
    };
    for (let i = 0; i < outbox.length; i++) {
      const entry = outbox[i] as GroupEntry;
      const { message, position } = entry;
      if (!entry.isOver && message === undefined) {
        close();
        return outbox.slice(i);
      }
      this.#outboxBytes -= entry.bytes;
      if (entry.isOver || message === undefined) continue;
      if (bytes > 0 && bytes + message.length > SECTION_BYTES) close();
      messages.push({ position, message });
      bytes += message.length;
      if (entry.isFiled) entry.message = undefined;
    }
    close();
    return [];
  }

  #send(group: string, entries: readonly GroupMessage[], bytes: number, nowMs: number): void {
    const number = ++this.#number;
    if (this.#sections.length === 0) this.#progressAtMs = nowMs;
    this.#sections.push({ number, group, entries, bytes });
    this.#bytes += bytes;
    this.#o.send(number, group, entries);
  }

  /** The gateway has taken sections up to this number. */
  taken(number: number, nowMs: number): void {
    let count = 0;
    for (const section of this.#sections) {
      if (section.number > number) break;
      this.#bytes -= section.bytes;
      count++;
    }
    if (count === 0) return;
    this.#progressAtMs = nowMs;
    this.#sections = this.#sections.slice(count);
  }

  /** The group has ended. */
  forget(group: string): void {
    for (const { bytes } of this.#outboxes.get(group) ?? []) this.#outboxBytes -= bytes;
    this.#outboxes.delete(group);
  }

  tick(nowMs: number): void {
    if (this.#sections.length === 0 || nowMs - this.#progressAtMs < RESEND_MS) return;
    this.#progressAtMs = nowMs;
    for (const { number, group, entries } of this.#sections) this.#o.send(number, group, entries);
  }
}
