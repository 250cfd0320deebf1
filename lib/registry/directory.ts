/**
 * The directory — what a gateway asks of the registry: who is this, and what may it do.
 *
 * Owner: one per gateway process, fed by a watch of the registry stream.
 * Cost:  authenticate: one read of the client's record per CONNECT (never a cache alone: TLS
 *        resumption skips chain checks, so the record decides each time). access: compiled once per
 *        identity and registry generation; decisions are look-ups.
 */
import type { X509Certificate } from 'node:crypto';
import type { Reason } from '#base';

/** Attribute values as Event Grid has them. */
export type AttributeValue = string | number | readonly string[];

/** Who a connection is, once authenticated. */
export interface Identity {
  /** Resource name of the client in the registry; empty for identities without a record. */
  readonly clientName: string;
  /** Original case; compared without case. */
  readonly authenticationName: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** How it was proven, for logs and metrics. */
  readonly source: 'ca_certificate' | 'thumbprint' | 'token' | 'anonymous';
}

/** What a CONNECT brings. */
export interface Credentials {
  readonly clientIdentifier: string;
  readonly userName: string | undefined;
  /** The client's leaf certificate; undefined when none was presented. */
  readonly leaf: X509Certificate | undefined;
  /** What else the client sent, nearest issuer first; may be empty. */
  readonly chain: readonly X509Certificate[];
  /** MQTT 5 enhanced authentication; one that the session's rules allow. */
  readonly authenticationMethod?: string | undefined;
  /** JSON Web Token: authentication data, or the password of a client without certificate. */
  readonly token?: string | undefined;
}

export type Authentication =
  | {
      readonly ok: true;
      readonly identity: Identity;
      /** Wall clock, ms; past it the connection must be asked about again. Absent = never. */
      readonly validUntilMs?: number;
    }
  | { readonly ok: false; readonly reason: Reason; readonly detail: string };

/** Compiled permissions of one identity. Immutable: a change makes a new object. */
export interface Access {
  /** Whether the identity may publish to this (valid) topic name. */
  mayPublish(topic: string): boolean;
  /** Whether some subscriber template covers the (valid) topic filter completely. */
  maySubscribe(topicFilter: string): boolean;
}

export interface Directory {
  /** False until the first full view of the registry has been read. */
  readonly ready: boolean;
  /** `onOutcome` is called once, never synchronously. Bus trouble = `server_unavailable`. */
  authenticate(credentials: Credentials, onOutcome: (outcome: Authentication) => void): void;
  access(identity: Identity): Access;
  /** Filters of event subscriptions; QoS 0 messages that match one are logged (protocol 4). */
  eventFilters(): readonly string[];
  /**
   * Something changed that can concern open connections. `clientName` names the one client record
   * that changed, `authenticationName` what it says of itself (undefined: it was deleted); without
   * a `clientName` groups, spaces, bindings, issuers or certificates changed: all are concerned.
   * The gateway then authenticates the concerned connections again and takes new access objects.
   */
  onChange(
    listener: (clientName: string | undefined, authenticationName?: string) => void,
  ): () => void;
}
