/**
 * Operator messages — what control asks of the owner of a partition, for people who look after
 * sessions (docs/operations.md, proto/wire/frame.md).
 *
 * Shape: core NATS request and answer, one JSON message behind a version byte; `ask` comes back, so
 *        that one inbox serves all requests of a control process.
 * Lost:  every request may be sent again: it names the connection or the generation that it means,
 *        so a repeat never strikes a later one. An owner that has not begun does not answer.
 */

/** A connection of a client, as its home knows it. */
export interface HeldConnection {
  readonly incarnation: string;
  readonly number: number;
  readonly authenticationName: string;
}

/** Control → owner. */
export type OperatorRequest =
  /** To the home: who is connected under this identifier, and which session is stored. */
  | { readonly t: 'locate'; readonly ask: number; readonly clientIdentifier: string }
  /** To any partition: what waits there for a session. */
  | { readonly t: 'queue'; readonly ask: number; readonly generation: number }
  /** To the home: end this connection. */
  | {
      readonly t: 'disconnect';
      readonly ask: number;
      readonly clientIdentifier: string;
      readonly incarnation: string;
      readonly connection: number;
    }
  /** To the home: end this session, its connection first. */
  | {
      readonly t: 'delete';
      readonly ask: number;
      readonly clientIdentifier: string;
      readonly generation: number;
    };

/** Owner → control. */
export type OperatorAnswer =
  | {
      readonly t: 'located';
      readonly ask: number;
      readonly p: number;
      /** The home's records stand at this revision. */
      readonly revision: number;
      /** null: nothing is stored. */
      readonly generation: number | null;
      /** null: nobody is connected. */
      readonly connection: HeldConnection | null;
      /** Packet identifiers that its client has not acknowledged, as far as the home knows. */
      readonly inFlight: readonly number[];
    }
  | {
      readonly t: 'queued';
      readonly ask: number;
      readonly p: number;
      /** null: this owner does not know the session, or not yet. */
      readonly queue: QueueState | null;
    }
  /** False: not yet, ask again. */
  | { readonly t: 'disconnected'; readonly ask: number; readonly p: number; readonly done: boolean }
  | {
      readonly t: 'deleted';
      readonly ask: number;
      readonly p: number;
      readonly done: boolean;
      readonly revision: number;
    };

/** What waits for a session in one partition. */
export interface QueueState {
  /** `filed`, `joining` or `live` (docs/adr/0012). */
  readonly mode: string;
  readonly messages: number;
  readonly bytes: number;
  /** When the oldest of them was published, seconds since 1970; null: nothing waits. */
  readonly oldestAtSeconds: number | null;
}
