/**
 * Connect flow — from a CONNECT that keeps the rules to its CONNACK, and who a connection is later.
 *
 *     gate → authenticate → access → claim the client identifier → CONNACK
 *
 * Gate:   CONNECTs begin a few per turn, and none while the core does not accept any; they wait at
 *         most CONNECT_DECISION_SECONDS (the connection's own time-out: `server_unavailable`).
 * Change: what the registry changes is applied to open connections by the same question: who is
 *         this, and what may it do (design §9). Refused = the connection ends; a subscription that
 *         is no longer allowed ends it too, for MQTT has no other word for that.
 * Bound:  one entry per connection in each of the sets.
 */
import type { Clock } from '#base';
import { anonymousAccess, anonymousIdentity } from '#registry';
import type { Access, Authentication, Directory, Identity } from '#registry';
import type { Connection } from './connection.ts';
import {
  CONNECT_GATE_POLL_MS,
  CONNECTS_PER_TURN,
  REAUTHENTICATION_RETRY_MS,
  REAUTHENTICATIONS_PER_TURN,
} from './limits.ts';
import type { GatewayCore } from './port.ts';
import { TurnQueue } from './turn-queue.ts';

export class ConnectFlow {
  readonly #clock: Clock;
  readonly #core: GatewayCore;
  readonly #directory: Directory;
  readonly #connects: TurnQueue<Connection>;
  readonly #again: TurnQueue<Connection>;
  /** Waits for the core to accept CONNECTs. */
  readonly #gated = new Set<Connection>();
  /** Authenticated connections, by name of their client record. */
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
    this.#stopWatching = directory.onChange((clientName) => this.#changed(clientName));
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
    const { identity } = connection;
    if (identity === undefined) return;
    const peers = this.#byClient.get(identity.clientName);
    peers?.delete(connection);
    if (peers?.size === 0) this.#byClient.delete(identity.clientName);
  }

  #enter(connection: Connection): void {
    if (connection.session.phase !== 'connecting') return;
    if (!this.#core.acceptsConnect) {
      this.#gated.add(connection);
      this.#pollGate();
      return;
    }
    if (connection.certificates === undefined) {
      this.#claim(connection, anonymousIdentity, anonymousAccess);
      return;
    }
    const changes = this.#changes;
    this.#ask(connection, (outcome) => {
      if (connection.session.phase !== 'connecting') return;
      if (!outcome.ok) {
        connection.endDetail = outcome.detail;
        connection.session.end(outcome.reason);
        return;
      }
      this.#claim(connection, outcome.identity, this.#directory.access(outcome.identity));
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

  #ask(connection: Connection, onOutcome: (outcome: Authentication) => void): void {
    const { certificates, clientIdentifier, userName } = connection;
    this.#directory.authenticate(
      {
        clientIdentifier,
        userName,
        leaf: certificates?.leaf,
        chain: certificates?.chain ?? [],
      },
      onOutcome,
    );
  }

  #claim(connection: Connection, identity: Identity, access: Access): void {
    this.#identify(connection, identity, access);
    this.#core.connect(connection, (decision) => {
      if (decision === 'granted') connection.granted();
      else connection.session.end(decision);
    });
  }

  #identify(connection: Connection, identity: Identity, access: Access): void {
    connection.identity = identity;
    connection.setAccess(access);
    let peers = this.#byClient.get(identity.clientName);
    if (peers === undefined) this.#byClient.set(identity.clientName, (peers = new Set()));
    peers.add(connection);
  }

  #changed(clientName: string | undefined): void {
    this.#changes++;
    if (clientName !== undefined) {
      for (const connection of this.#byClient.get(clientName) ?? []) this.#again.add(connection);
      return;
    }
    for (const peers of this.#byClient.values()) {
      for (const connection of peers) this.#again.add(connection);
    }
  }

  #authenticateAgain(connection: Connection): void {
    if (connection.session.phase === 'ended' || connection.certificates === undefined) return;
    const changes = this.#changes;
    this.#ask(connection, (outcome) => {
      if (connection.session.phase === 'ended') return;
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
      connection.session.end('authorization_revoked');
      return;
    }
    const { identity } = outcome;
    if (!isSameClient(connection.identity, identity)) {
      connection.endDetail = 'the certificate now belongs to another client';
      connection.session.end('authorization_revoked');
      return;
    }
    const access = this.#directory.access(identity);
    this.#identify(connection, identity, access);
    for (const topicFilter of connection.session.topicFilters()) {
      if (access.maySubscribe(topicFilter)) continue;
      connection.endDetail = 'a subscription is no longer allowed';
      connection.session.end('authorization_revoked');
      return;
    }
  }
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
