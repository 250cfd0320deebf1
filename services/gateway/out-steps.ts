/**
 * Out steps — QoS 2 deliveries of stored sessions, told to the session's home before they take
 * effect (docs/adr/0014).
 *
 * Shape: per connection the open deliveries by packet identifier, and a line of steps: those of a
 *        turn go together, one message under way, repeated until `stepped` comes; what comes
 *        meanwhile goes with the next one. Nobody waits for *finished*: it goes along.
 * No queue: a retained message has no place in one. It gets a position below 0, unlike all others
 *        of the session, so that a later connection knows its identifier and closes it by PUBREL.
 * Cost:  nothing for a session that has had no QoS 2 delivery.
 * Bound: the session's packet identifiers.
 */
import type { Clock } from '#base';
import { type GatewayMessage, OUT_FINISHED, OUT_RECEIVED, OUT_SENT, type OutEntry } from '#frames';
import type { Position } from '#log';
import { ASK_AGAIN_MS, UNANSWERED_MS } from './owner-link.ts';
import type { LocalClient } from './port.ts';

/** Steps in one message: about 40 KiB of JSON. */
const STEPS_MAX = 1_000;

interface Place {
  readonly partition: number;
  readonly position: Position;
}

interface Line {
  readonly client: LocalClient;
  readonly home: number;
  readonly open: Map<number, Place>;
  /** Lowest position given to a delivery that comes from no queue. */
  lowest: Position;
  waiting: OutEntry[];
  underWay: readonly OutEntry[];
  /** Something waits that is waited for. */
  isUrgent: boolean;
  number: number;
  sinceMs: number;
  askedAtMs: number;
}

export interface OutStepsOptions {
  readonly clock: Clock;
  readonly incarnation: string;
  readonly send: (partition: number, message: GatewayMessage) => void;
  /** Of the client's stored session; undefined: it has none. */
  readonly homeOf: (client: LocalClient) => number | undefined;
  /** Per partition: everything up to here is acknowledged by the session; null: not known. */
  readonly acknowledged: (client: LocalClient) => (Position | null)[];
}

export class OutSteps {
  readonly #o: OutStepsOptions;
  readonly #lines = new Map<number, Line>();
  /** Those with steps that wait or are under way. */
  readonly #busy = new Set<Line>();
  #planned = false;

  constructor(options: OutStepsOptions) {
    this.#o = options;
  }

  /** A stored session with what earlier connections have left. */
  begin(client: LocalClient, inherited: readonly OutEntry[]): void {
    if (inherited.length > 0) this.#newLine(client, inherited);
  }

  #newLine(client: LocalClient, inherited: readonly OutEntry[]): Line | undefined {
    const home = this.#o.homeOf(client);
    if (home === undefined) return undefined;
    const open = new Map<number, Place>();
    let lowest = 0;
    for (const [packetIdentifier, partition, position, state] of inherited) {
      lowest = Math.min(lowest, position);
      if (state !== OUT_FINISHED) open.set(packetIdentifier, { partition, position });
    }
    const line: Line = {
      client,
      home,
      open,
      lowest,
      waiting: [],
      underWay: [],
      isUrgent: false,
      number: 0,
      sinceMs: 0,
      askedAtMs: 0,
    };
    this.#lines.set(client.connectionNumber, line);
    return line;
  }

  /** The connection is over: what was not acknowledged did not happen. */
  drop({ connectionNumber }: LocalClient): void {
    const line = this.#lines.get(connectionNumber);
    if (line === undefined) return;
    this.#lines.delete(connectionNumber);
    this.#busy.delete(line);
  }

  /** Before PUBLISH. `queued` undefined: it comes from no queue (a retained message). */
  sent(client: LocalClient, packetIdentifier: number, queued: Place | undefined): void {
    const line = this.#lines.get(client.connectionNumber) ?? this.#newLine(client, []);
    if (line === undefined) return client.outStored(packetIdentifier);
    const place = queued ?? { partition: 0, position: --line.lowest };
    line.open.set(packetIdentifier, place);
    this.#step(line, packetIdentifier, place, OUT_SENT);
  }

  /** Before PUBREL. */
  received(client: LocalClient, packetIdentifier: number): void {
    const line = this.#lines.get(client.connectionNumber);
    const place = line?.open.get(packetIdentifier);
    if (line === undefined || place === undefined) return client.receivedStored(packetIdentifier);
    this.#step(line, packetIdentifier, place, OUT_RECEIVED);
  }

  /** After PUBCOMP. */
  finished(client: LocalClient, packetIdentifier: number): void {
    const line = this.#lines.get(client.connectionNumber);
    const place = line?.open.get(packetIdentifier);
    if (line === undefined || place === undefined) return;
    line.open.delete(packetIdentifier);
    this.#push(line, packetIdentifier, place, OUT_FINISHED);
  }

  #push(line: Line, packetIdentifier: number, place: Place, state: number): void {
    line.waiting.push([packetIdentifier, place.partition, place.position, state]);
    this.#busy.add(line);
  }

  #step(line: Line, packetIdentifier: number, place: Place, state: number): void {
    this.#push(line, packetIdentifier, place, state);
    line.isUrgent = true;
    if (this.#planned) return;
    this.#planned = true;
    this.#o.clock.whenIdle(() => {
      this.#planned = false;
      for (const one of this.#busy) if (one.isUrgent) this.#begin(one);
    });
  }

  #begin(line: Line): void {
    if (line.underWay.length > 0 || line.waiting.length === 0) return;
    line.underWay = line.waiting.splice(0, STEPS_MAX);
    line.isUrgent = line.waiting.length > 0;
    line.number++;
    line.sinceMs = this.#o.clock.nowMs();
    this.#ask(line);
  }

  #ask(line: Line): void {
    const { client, home, number, underWay: steps } = line;
    const { connectionNumber: connection, clientIdentifier } = client;
    const { incarnation: inc, send, clock } = this.#o;
    line.askedAtMs = clock.nowMs();
    const acknowledged = this.#acknowledged(line);
    send(home, { t: 'out', inc, connection, clientIdentifier, number, steps, acknowledged });
  }

  /** What is open is not acknowledged, wherever its queue has been read to. */
  #acknowledged({ client, open }: Line): (Position | null)[] {
    const acknowledged = this.#o.acknowledged(client);
    for (const { partition, position } of open.values()) {
      if (position < 0) continue;
      const upTo = acknowledged[partition] ?? null;
      if (upTo !== null && upTo >= position) acknowledged[partition] = position - 1;
    }
    return acknowledged;
  }

  /** The home has these steps. */
  stepped(connection: number, number: number): void {
    const line = this.#lines.get(connection);
    if (line === undefined || number !== line.number || line.underWay.length === 0) return;
    const done = line.underWay;
    line.underWay = [];
    if (line.waiting.length === 0) this.#busy.delete(line);
    for (const [packetIdentifier, , , state] of done) {
      if (state === OUT_SENT) line.client.outStored(packetIdentifier);
      else if (state === OUT_RECEIVED) line.client.receivedStored(packetIdentifier);
    }
    // The client may have gone in these calls.
    if (this.#lines.get(connection) === line && line.isUrgent) this.#begin(line);
  }

  /** Repeats what is unanswered, and tells what nobody waits for. */
  tick(nowMs: number): void {
    for (const line of this.#busy) {
      if (line.underWay.length === 0) this.#begin(line);
      else if (nowMs - line.askedAtMs >= ASK_AGAIN_MS) this.#ask(line);
    }
  }

  unanswered(partition: number, nowMs: number): boolean {
    for (const { home, underWay, sinceMs } of this.#busy) {
      if (home === partition && underWay.length > 0 && nowMs - sinceMs > UNANSWERED_MS) return true;
    }
    return false;
  }
}
