/**
 * Session directory — the stored sessions of the cluster in order, for the API.
 *
 * Shape: follows the session logs as dispatchers do (docs/adr/0012, S2), with the client
 *        identifiers in order beside them, and the leases, for the names of gateways.
 * Cost:  750 bytes per session with three subscriptions (measured), 11 of them for the order.
 * Full:  a page looks at LOOKED_AT_MAX sessions and says where the next one begins: however rare
 *        what is looked for, nobody else waits longer than some milliseconds.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';
import { LeaseView } from '#lease';
import { type SessionRecord, SessionView } from '#session-store';
import { SortedIdentifiers } from './sorted-identifiers.ts';

/** Sessions that one page looks at. Range 1,000 – 1 M; at 3 µs each, 15 ms. */
const LOOKED_AT_MAX = 5_000;

export interface SessionFilter {
  readonly clientIdentifierPrefix: string;
  /** Empty: any. */
  readonly authenticationName: string;
  /** Instance name or incarnation; empty: any. */
  readonly gateway: string;
  /** Undefined: both. */
  readonly connected: boolean | undefined;
}

export interface SessionPage {
  readonly records: readonly SessionRecord[];
  /** Where the next page begins behind; undefined: this was the last one. */
  readonly last: string | undefined;
}

interface Waiting {
  readonly home: number;
  readonly revision: number;
  readonly onReached: () => void;
}

export class SessionDirectory {
  readonly #clock: Clock;
  readonly #view: SessionView;
  readonly #leases: LeaseView;
  readonly #identifiers = new SortedIdentifiers();
  readonly #waiting = new Set<Waiting>();
  #ready = false;

  /** `onReady`: everything that was stored at the start has been read. */
  constructor(bus: Bus, clock: Clock, partitions: number, onReady: () => void) {
    this.#clock = clock;
    this.#view = new SessionView({ bus, clock, partitions });
    this.#leases = new LeaseView({ bus, clock });
    this.#view.onChange(({ before, after }) => {
      if (after !== undefined) this.#identifiers.add(after.clientIdentifier);
      else if (before !== undefined) this.#identifiers.delete(before.clientIdentifier);
    });
    this.#view.onRevision(() => this.#look());
    this.#view.start();
    this.#view.sync(() => {
      this.#ready = true;
      onReady();
    });
  }

  get ready(): boolean {
    return this.#ready;
  }
  /** Sessions that have not ended. */
  get size(): number {
    return this.#identifiers.size;
  }
  get recordsDamaged(): number {
    return this.#view.recordsDamaged;
  }

  close(): void {
    this.#view.close();
    this.#leases.close();
  }

  get(clientIdentifier: string): SessionRecord | undefined {
    const record = this.#view.get(clientIdentifier);
    return record === undefined || this.#isOver(record) ? undefined : record;
  }

  /** Instance name of a gateway; its incarnation when it is not known (any more). */
  gatewayName(incarnation: string): string {
    return this.#leases.gateways.get(incarnation)?.content.instance ?? incarnation;
  }

  /** `after`: the last client identifier of the page before; empty: the first page. */
  page(filter: SessionFilter, after: string, size: number): SessionPage {
    const { clientIdentifierPrefix: prefix } = filter;
    const records: SessionRecord[] = [];
    let looked = 0;
    for (const clientIdentifier of this.#identifiers.from(after > prefix ? after : prefix)) {
      if (!clientIdentifier.startsWith(prefix)) break;
      if (clientIdentifier <= after) continue;
      const record = this.get(clientIdentifier);
      if (record !== undefined && this.#matches(record, filter)) records.push(record);
      if (records.length === size || ++looked === LOOKED_AT_MAX) {
        return { records, last: clientIdentifier };
      }
    }
    return { records, last: undefined };
  }

  /** False: the records of the home have not been read so far by `deadlineMs` of the clock. */
  reached(home: number, revision: number, deadlineMs: number): Promise<boolean> {
    if (this.#view.revision(home) >= revision) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiting: Waiting = { home, revision, onReached: () => finish(true) };
      const finish = (isReached: boolean): void => {
        this.#waiting.delete(waiting);
        this.#clock.cancel(timer);
        resolve(isReached);
      };
      const timer = this.#clock.after(deadlineMs - this.#clock.nowMs(), () => finish(false));
      this.#waiting.add(waiting);
    });
  }

  #look(): void {
    for (const { home, revision, onReached } of this.#waiting) {
      if (this.#view.revision(home) >= revision) onReached();
    }
  }

  /** Its time has come; its home has not written that yet. */
  #isOver({ expiresAtMs }: SessionRecord): boolean {
    return expiresAtMs <= this.#clock.wallMs();
  }

  #matches({ authenticationName: name, at }: SessionRecord, filter: SessionFilter): boolean {
    const { authenticationName, gateway, connected } = filter;
    if (connected !== undefined && connected !== (at !== undefined)) return false;
    if (authenticationName !== '' && !isSameName(authenticationName, name)) return false;
    if (gateway === '') return true;
    if (at === undefined) return false;
    return at.incarnation === gateway || this.gatewayName(at.incarnation) === gateway;
  }
}

/** Authentication names are compared without case. */
function isSameName(a: string, b: string): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase();
}
