/**
 * Queue desk — asks the owners for pages of the queues of stored sessions (docs/adr/0012, S4).
 *
 * Shape: one request outstanding per session and partition; each has a number of its own, so that
 *        a page which was asked for in another state of the session is known and left.
 * Pace:  PAGES_OUTSTANDING_MAX per partition; who comes later waits in line.
 * Lost:  an unanswered request is repeated after ASK_AGAIN_MS under its number.
 */
import type { Position } from '#log';
import { ASK_AGAIN_MS } from './owner-link.ts';

/** Pages of 64 KiB that may be on their way from one partition, 4 MiB. Range 8 – 1,024. */
export const PAGES_OUTSTANDING_MAX = 64;

/** A session in one partition, as it reads its queue. */
export interface QueueAsker {
  readonly partition: number;
  /** Everything up to here it has. */
  readonly readTo: Position;
  /** Number of its outstanding request; 0 = none. Set by the desk only. */
  request: number;
  /** When it was sent last. */
  pageAskedAtMs: number;
  /** It is in the line. */
  inLine: boolean;
  /** Its turn has come: asks if it still wants to. */
  pump(nowMs: number): void;
}

export class QueueDesk<T extends QueueAsker> {
  readonly #send: (asker: T) => void;
  readonly #byRequest = new Map<number, T>();
  readonly #outstanding: number[];
  readonly #lines: T[][];
  #requests = 0;

  constructor(partitions: number, send: (asker: T) => void) {
    this.#send = send;
    this.#outstanding = Array.from({ length: partitions }, () => 0);
    this.#lines = Array.from({ length: partitions }, () => []);
  }

  get outstanding(): number {
    return this.#byRequest.size;
  }

  /** Asks for the next page; `asker` has no request outstanding and is not in the line. */
  ask(asker: T, nowMs: number): void {
    const { partition } = asker;
    if ((this.#outstanding[partition] as number) >= PAGES_OUTSTANDING_MAX) {
      asker.inLine = true;
      this.#lines[partition]?.push(asker);
      return;
    }
    asker.request = ++this.#requests;
    this.#byRequest.set(asker.request, asker);
    this.#outstanding[partition] = (this.#outstanding[partition] as number) + 1;
    asker.pageAskedAtMs = nowMs;
    this.#send(asker);
  }

  /** Repeats the outstanding request when it is due. */
  repeat(asker: T, nowMs: number): void {
    if (nowMs - asker.pageAskedAtMs < ASK_AGAIN_MS) return;
    asker.pageAskedAtMs = nowMs;
    this.#send(asker);
  }

  /** Whose request this is. */
  find(request: number): T | undefined {
    return this.#byRequest.get(request);
  }

  /** The request was answered, or nobody waits for its answer any more. */
  finish(asker: T, nowMs: number): void {
    asker.inLine = false;
    if (!this.#byRequest.delete(asker.request)) return;
    asker.request = 0;
    const { partition } = asker;
    this.#outstanding[partition] = (this.#outstanding[partition] as number) - 1;
    const line = this.#lines[partition] as T[];
    while (line.length > 0 && (this.#outstanding[partition] as number) < PAGES_OUTSTANDING_MAX) {
      const next = line.shift() as T;
      if (!next.inLine) continue;
      next.inLine = false;
      next.pump(nowMs);
    }
  }
}
