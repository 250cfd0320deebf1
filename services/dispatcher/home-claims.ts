/**
 * Home claims — who holds which client identifier, decided at the identifier's home (protocol 16).
 *
 * Shape: pure: one holder per identifier; a newer claim of the same authentication name takes over
 *        and the older connection is told to end until its gateway says that it has; another
 *        authentication name is refused (`session_name_owned`).
 * Owner: the partition's owner; rebuilt from the answers to its hello, where the higher rank wins.
 * Cost:  one map entry per connected client of this home.
 */
import type { Reason } from '#base';
import type { ClaimDecision, HeldIdentifier, Rank } from '#frames';
import type { Stay } from '#session-store';

export interface Holder {
  readonly incarnation: string;
  readonly connection: number;
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly rank: Rank;
}

/** A connection that has to end; told again until its release comes. */
export interface Ending {
  readonly incarnation: string;
  readonly connection: number;
  readonly reason: Reason;
}

interface NamedEnding extends Ending {
  readonly clientIdentifier: string;
}

export class HomeClaims {
  takenOver = 0;

  readonly #epoch: number;
  readonly #holders = new Map<string, Holder>();
  readonly #ending = new Map<string, NamedEnding>();
  readonly #onEnd: (ending: Ending) => void;
  #number = 0;

  constructor(epoch: number, onEnd: (ending: Ending) => void) {
    this.#epoch = epoch;
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#holders.size;
  }

  holder(clientIdentifier: string): Holder | undefined {
    return this.#holders.get(clientIdentifier);
  }

  claim(
    incarnation: string,
    connection: number,
    clientIdentifier: string,
    authenticationName: string,
  ): ClaimDecision {
    const ending = this.#ending.get(endingKey(incarnation, connection));
    if (ending !== undefined) return { connection, granted: false, reason: ending.reason };
    const holder = this.#holders.get(clientIdentifier);
    if (holder !== undefined && isHolder(holder, incarnation, connection)) {
      return { connection, granted: true, rank: holder.rank };
    }
    if (holder !== undefined && !sameName(holder.authenticationName, authenticationName)) {
      return { connection, granted: false, reason: 'session_name_owned' };
    }
    const rank: Rank = [this.#epoch, ++this.#number];
    this.#hold({ incarnation, connection, clientIdentifier, authenticationName, rank });
    return { connection, granted: true, rank };
  }

  /** The identifier that a release is about: gateways that have long forgotten it leave it out. */
  released(incarnation: string, connection: number, clientIdentifier: string): string {
    if (clientIdentifier !== '') return clientIdentifier;
    return this.#ending.get(endingKey(incarnation, connection))?.clientIdentifier ?? '';
  }

  release(incarnation: string, connection: number, clientIdentifier: string): ClaimDecision {
    const identifier = this.released(incarnation, connection, clientIdentifier);
    this.#ending.delete(endingKey(incarnation, connection));
    const holder = this.#holders.get(identifier);
    if (holder !== undefined && isHolder(holder, incarnation, connection)) {
      this.#holders.delete(identifier);
    }
    return { connection, released: true, revision: 0 };
  }

  /**
   * An operator ends this connection. It holds its identifier until its release, so that who comes
   * meanwhile waits for that. False: it is over.
   */
  disconnect(clientIdentifier: string, { incarnation, connection }: Stay): boolean {
    const holder = this.#holders.get(clientIdentifier);
    if (holder !== undefined && isHolder(holder, incarnation, connection)) {
      this.#end(holder, 'administrative_action');
    }
    return this.#ending.has(endingKey(incarnation, connection));
  }

  /** What a gateway named in its answer to hello. */
  learn(incarnation: string, held: readonly HeldIdentifier[]): void {
    for (const { clientIdentifier, authenticationName, connection, rank } of held) {
      const other = this.#holders.get(clientIdentifier);
      const named = { incarnation, connection, clientIdentifier, authenticationName, rank };
      if (other === undefined || isAbove(rank, other.rank)) this.#hold(named);
      else if (!isHolder(other, incarnation, connection)) this.#end(named);
    }
  }

  /** The gateway's lease is over: so are its connections. */
  gatewayEnded(incarnation: string): void {
    for (const [clientIdentifier, holder] of this.#holders) {
      if (holder.incarnation === incarnation) this.#holders.delete(clientIdentifier);
    }
    for (const [key, ending] of this.#ending) {
      if (ending.incarnation === incarnation) this.#ending.delete(key);
    }
  }

  /** Says again what has not been confirmed. */
  repeatEndings(): void {
    for (const ending of this.#ending.values()) this.#onEnd(ending);
  }

  #hold(holder: Holder): void {
    const older = this.#holders.get(holder.clientIdentifier);
    this.#holders.set(holder.clientIdentifier, holder);
    if (older !== undefined) this.#end(older);
  }

  #end(holder: Holder, reason: Reason = 'session_taken_over'): void {
    const { incarnation, connection, clientIdentifier } = holder;
    const key = endingKey(incarnation, connection);
    // It hears one reason, the first, however often and why it has to be told.
    const ending = this.#ending.get(key) ?? { incarnation, connection, clientIdentifier, reason };
    this.#ending.set(key, ending);
    if (reason === 'session_taken_over') this.takenOver++;
    this.#onEnd(ending);
  }
}

function endingKey(incarnation: string, connection: number): string {
  return `${incarnation} ${connection}`;
}

function isHolder(holder: Holder, incarnation: string, connection: number): boolean {
  return holder.connection === connection && holder.incarnation === incarnation;
}

function isAbove(a: Rank, b: Rank): boolean {
  return a[0] !== b[0] ? a[0] > b[0] : a[1] > b[1];
}

/** Authentication names are compared without case (event-grid: client authentication name). */
function sameName(a: string, b: string): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase();
}
