/**
 * Connect flow — from a CONNECT that keeps the rules to its CONNACK, and who a connection is later.
 *
 *     gate → authenticate → access → claim the client identifier → CONNACK
 *
 * Gate:   CONNECTs begin a few per turn, and none while the core does not accept any; they wait at
 *         most CONNECT_DECISION_SECONDS (the connection's own time-out: `server_unavailable`).
 * Will:   its topic has to be one that the client may publish to.
 * Change: what the registry changes is applied to open connections by the same question: who is
 *         this, and what may it do (design §9). Refused = the connection ends; a subscription or a
 *         will that is no longer allowed ends it too, for MQTT has no other word for that.
 * Renew:  a client's AUTH asks the same with a new token; until then the old one counts.
 * Expiry: when certificate or token end, the question is asked again; mostly that is the end.
 * Bound:  one entry per connection in each of the sets.
 */
import type { Clock, Reason } from '#base';
import { anonymousAccess, anonymousIdentity } from '#registry';
import type { Access, Authentication, Credentials, Directory, Identity } from '#registry';
import { plainFilterOf } from '#topics';
import type { Connection } from './connection.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import {
  CONNECT_GATE_POLL_MS,
  CONNECTS_PER_TURN,
  REAUTHENTICATION_RETRY_MS,
  REAUTHENTICATIONS_PER_TURN,
} from './limits.ts';
import type { GatewayCore } from './port.ts';
import { TurnQueue } from './turn-queue.ts';

const REVOKED: Reason = 'authorization_revoked';
/** Refusals that mean, for an open connection, that its time is up. */
const EXPIRED: ReadonlySet<Reason> = new Set(['certificate_expired', 'token_expired']);

export class ConnectFlow {
  readonly #clock: Clock;
  readonly #core: GatewayCore;
  readonly #directory: Directory;
  readonly #connects: TurnQueue<Connection>;
  readonly #again: TurnQueue<Connection>;
  /** Waits for the core to accept CONNECTs. */
  readonly #gated = new Set<Connection>();
  readonly #expiry: ExpiryWatch<Connection>;
  /** Authenticated connections, by `peerKey`. */
  readonly #byClient = new Map<string, Set<Connection>>();
  /** Counts changes of the registry: one that falls into an authentication asks it again. */
  #changes = 0;
  #isPolling = false;
  readonly #stopWatching: () => void;

  constructor(clock: Clock, core: GatewayCore, directory: Directory) {
    this.#clock = clock;
    this.#core = core;
    this.#directory = directory;
    this.#connects = new TurnQueue(CONNECTS_PER_TURN, (c) => this.#enter(c));
    this.#again = new TurnQueue(REAUTHENTICATIONS_PER_TURN, (c) => this.#authenticateAgain(c));
    this.#expiry = new ExpiryWatch(clock, (c) => this.#again.add(c));
    this.#stopWatching = directory.onChange((name, called) => this.#changed(name, called));
  }

  close(): void {
    this.#stopWatching();
  }

  begin(connection: Connection): void {
    this.#connects.add(connection);
  }

  forget(connection: Connection): void {
    this.#connects.remove(connection);
    this.#again.remove(connection);
    this.#gated.delete(connection);
    this.#expiry.remove(connection);
    const { identity } = connection;
    if (identity === undefined) return;
    const key = peerKey(identity);
    const peers = this.#byClient.get(key);
    peers?.delete(connection);
    if (peers?.size === 0) this.#byClient.delete(key);
  }

  #enter(connection: Connection): void {
    if (connection.session.phase !== 'connecting') return;
    if (!this.#core.acceptsConnect) {
      this.#gated.add(connection);
      this.#pollGate();
      return;
    }
    if (isAnonymous(connection)) {
      this.#claim(connection, anonymousIdentity, anonymousAccess);
      return;
    }
    const changes = this.#changes;
    this.#ask(connection.credentials, (outcome) => {
      if (connection.session.phase !== 'connecting') return;
      if (!outcome.ok) {
        connection.endDetail = outcome.detail;
        connection.session.end(outcome.reason);
        return;
      }
      this.#claim(connection, outcome.identity, this.#directory.access(outcome.identity));
      this.#expiry.set(connection, outcome.validUntilMs);
      if (changes !== this.#changes) this.#again.add(connection);
    });
  }

  #pollGate(): void {
    if (this.#isPolling) return;
    this.#isPolling = true;
    this.#clock.after(CONNECT_GATE_POLL_MS, () => {
      this.#isPolling = false;
      if (this.#gated.size === 0) return;
      if (this.#core.acceptsConnect) {
        for (const connection of this.#gated) this.#connects.add(connection);
        this.#gated.clear();
      } else this.#pollGate();
    });
  }

  /** A client brings new credentials for an open connection. */
  renew(connection: Connection, credentials: Credentials): void {
    const changes = this.#changes;
    this.#ask(credentials, (outcome) => {
      if (!isLive(connection)) return;
      if (!outcome.ok) {
        connection.endDetail = outcome.detail;
        connection.session.end(outcome.reason);
        return;
      }
      connection.credentials = credentials;
      this.#apply(connection, outcome);
      if (!isLive(connection)) return;
      connection.session.reauthenticated();
      if (changes !== this.#changes) this.#again.add(connection);
    });
  }

  #ask(credentials: Credentials | undefined, onOutcome: (outcome: Authentication) => void): void {
    if (credentials !== undefined) this.#directory.authenticate(credentials, onOutcome);
  }

  #claim(connection: Connection, identity: Identity, access: Access): void {
    this.#identify(connection, identity, access);
    if (!mayLeaveWill(connection, access)) {
      connection.session.end('will_not_authorized');
      return;
    }
    this.#core.connect(connection, (decision) => {
      if (typeof decision === 'string') connection.session.end(decision);
      else connection.granted(decision);
    });
  }

  #identify(connection: Connection, identity: Identity, access: Access): void {
    connection.identity = identity;
    connection.setAccess(access);
    const key = peerKey(identity);
    let peers = this.#byClient.get(key);
    if (peers === undefined) this.#byClient.set(key, (peers = new Set()));
    peers.add(connection);
  }

  #changed(clientName: string | undefined, authenticationName: string | undefined): void {
    this.#changes++;
    if (clientName !== undefined) {
      for (const connection of this.#byClient.get(clientName) ?? []) this.#again.add(connection);
      if (authenticationName === undefined) return;
      // A disabled record shuts out those who come by token under its name, too.
      const others = this.#byClient.get(tokenKey(authenticationName));
      for (const connection of others ?? []) this.#again.add(connection);
      return;
    }
    for (const peers of this.#byClient.values()) {
      for (const connection of peers) this.#again.add(connection);
    }
  }

  #authenticateAgain(connection: Connection): void {
    if (connection.session.phase === 'ended' || isAnonymous(connection)) return;
    const changes = this.#changes;
    const { credentials } = connection;
    this.#ask(credentials, (outcome) => {
      // What a renewal has replaced meanwhile says nothing any more.
      if (!isLive(connection) || connection.credentials !== credentials) return;
      if (!outcome.ok && outcome.reason === 'server_unavailable') {
        this.#clock.after(REAUTHENTICATION_RETRY_MS, () => this.#again.add(connection));
        return;
      }
      this.#apply(connection, outcome);
      if (changes !== this.#changes && isLive(connection)) this.#again.add(connection);
    });
  }

  #apply(connection: Connection, outcome: Authentication): void {
    if (!outcome.ok) {
      connection.endDetail = `${outcome.reason}: ${outcome.detail}`;
      connection.session.end(EXPIRED.has(outcome.reason) ? 'credentials_expired' : REVOKED);
      return;
    }
    const { identity } = outcome;
    if (!isSameClient(connection.identity, identity)) {
      connection.endDetail = 'the credentials now belong to another client';
      connection.session.end(REVOKED);
      return;
    }
    const access = this.#directory.access(identity);
    this.#identify(connection, identity, access);
    this.#expiry.set(connection, outcome.validUntilMs);
    for (const topicFilter of connection.session.topicFilters()) {
      if (access.maySubscribe(plainFilterOf(topicFilter))) continue;
      connection.endDetail = 'a subscription is no longer allowed';
      connection.session.end(REVOKED);
      return;
    }
    if (mayLeaveWill(connection, access)) return;
    connection.endDetail = 'its will is no longer allowed';
    connection.session.end(REVOKED);
  }
}

/** On the open listener nobody is asked who he is, unless he says so. */
function isAnonymous({ certificates, credentials }: Connection): boolean {
  return certificates === undefined && credentials?.authenticationMethod === undefined;
}

/** What a change names is found by. Names of records have no space. */
function peerKey({ source, clientName, authenticationName }: Identity): string {
  return source === 'token' ? tokenKey(authenticationName) : clientName;
}

function tokenKey(authenticationName: string): string {
  return `token ${authenticationName.toLowerCase()}`;
}

function mayLeaveWill({ will }: Connection, access: Access): boolean {
  return will === undefined || access.mayPublish(will.topic);
}

function isLive(connection: Connection): boolean {
  return connection.session.phase !== 'ended';
}

function isSameClient(before: Identity | undefined, now: Identity): boolean {
  if (before === undefined) return true;
  const isSameName =
    before.authenticationName.toLowerCase() === now.authenticationName.toLowerCase();
  return isSameName && before.clientName === now.clientName;
}
