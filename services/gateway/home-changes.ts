/**
 * Home changes — subscriptions of stored sessions on their way to the session's home (S1, S10 of
 * docs/adr/0012).
 *
 * Shape: per connection a line of changes, numbered from 1; the first one is outstanding and
 *        repeated until `changed` comes, the others wait: the home applies them in order.
 * Full:  a SUBSCRIBE of many filters is cut into changes of CHANGE_BYTES_MAX; a session has at most
 *        some dozens of SUBSCRIBEs unanswered.
 */
import type { Clock } from '#base';
import type { GatewayMessage } from '#frames';
import type { StoredSubscription } from '#session-store';
import { ASK_AGAIN_MS, UNANSWERED_MS } from './owner-link.ts';
import type { LocalClient } from './port.ts';

/** Subscriptions in one change, bytes of JSON, about; far below what NATS takes. */
const CHANGE_BYTES_MAX = 128 * 1024;
/** A subscription in JSON without filter and positions; a character may take two bytes. */
const SUBSCRIPTION_BYTES = 150;
const POSITION_BYTES = 18;

interface Change {
  readonly number: number;
  readonly add: readonly StoredSubscription[];
  readonly remove: readonly string[];
  /** The record with it is durable. */
  readonly onChanged: ((revision: number) => void) | undefined;
}

interface Line {
  readonly client: LocalClient;
  readonly home: number;
  readonly changes: Change[];
  /** Number of the last one that joined. */
  last: number;
  sinceMs: number;
  askedAtMs: number;
}

export class HomeChanges {
  readonly #clock: Clock;
  readonly #incarnation: string;
  readonly #send: (partition: number, message: GatewayMessage) => void;
  readonly #lines = new Map<number, Line>();
  /** Those that have an outstanding change. */
  readonly #waiting = new Set<Line>();

  constructor(
    clock: Clock,
    incarnation: string,
    send: (partition: number, message: GatewayMessage) => void,
  ) {
    this.#clock = clock;
    this.#incarnation = incarnation;
    this.#send = send;
  }

  change(
    client: LocalClient,
    home: number,
    add: readonly StoredSubscription[],
    remove: readonly string[],
    onChanged: (revision: number) => void,
  ): void {
    const { connectionNumber } = client;
    let line = this.#lines.get(connectionNumber);
    if (line === undefined) {
      line = { client, home, changes: [], last: 0, sinceMs: 0, askedAtMs: 0 };
      this.#lines.set(connectionNumber, line);
    }
    const isFree = line.changes.length === 0;
    const parts = inParts(add, remove);
    for (const [i, part] of parts.entries()) {
      const isLast = i === parts.length - 1;
      const number = ++line.last;
      line.changes.push({ ...part, number, onChanged: isLast ? onChanged : undefined });
    }
    if (isFree) this.#begin(line);
  }

  changed(connection: number, number: number, revision: number): void {
    const line = this.#lines.get(connection);
    const [first] = line?.changes ?? [];
    if (line === undefined || first?.number !== number) return;
    line.changes.shift();
    if (line.changes.length > 0) this.#begin(line);
    else this.#waiting.delete(line);
    first.onChanged?.(revision);
  }

  /** The connection is over: nobody waits any more. */
  drop({ connectionNumber }: LocalClient): void {
    const line = this.#lines.get(connectionNumber);
    if (line === undefined) return;
    this.#lines.delete(connectionNumber);
    this.#waiting.delete(line);
  }

  tick(nowMs: number): void {
    for (const line of this.#waiting) {
      if (nowMs - line.askedAtMs >= ASK_AGAIN_MS) this.#ask(line, nowMs);
    }
  }

  unanswered(home: number, nowMs: number): boolean {
    for (const line of this.#waiting) {
      if (line.home === home && nowMs - line.sinceMs > UNANSWERED_MS) return true;
    }
    return false;
  }

  #begin(line: Line): void {
    const nowMs = this.#clock.nowMs();
    line.sinceMs = nowMs;
    this.#waiting.add(line);
    this.#ask(line, nowMs);
  }

  #ask(line: Line, nowMs: number): void {
    const [first] = line.changes;
    if (first === undefined) return;
    line.askedAtMs = nowMs;
    const { connectionNumber: connection, clientIdentifier } = line.client;
    const { number, add, remove } = first;
    const terms = { inc: this.#incarnation, connection, clientIdentifier, number };
    this.#send(line.home, { t: 'change', ...terms, add, remove });
  }
}

/** At least one part. */
function inParts(
  add: readonly StoredSubscription[],
  remove: readonly string[],
): { add: StoredSubscription[]; remove: string[] }[] {
  let part = { add: [] as StoredSubscription[], remove: [] as string[] };
  const parts = [part];
  let bytes = 0;
  const room = (needed: number): void => {
    if (bytes > 0 && bytes + needed > CHANGE_BYTES_MAX) {
      part = { add: [], remove: [] };
      parts.push(part);
      bytes = 0;
    }
    bytes += needed;
  };
  for (const one of add) {
    const positions = (one.starts?.length ?? 0) + (one.formerly?.upTo.length ?? 0);
    const positionBytes = POSITION_BYTES * positions;
    room(SUBSCRIPTION_BYTES + 2 * Buffer.byteLength(one.topicFilter) + positionBytes);
    part.add.push(one);
  }
  for (const topicFilter of remove) {
    room(8 + 2 * Buffer.byteLength(topicFilter));
    part.remove.push(topicFilter);
  }
  return parts;
}
