/**
 * The bus port — all that Weir asks of NATS. `nats/` talks to real servers, `memory/` is a twin for
 * the seeded simulation; the same contract tests run on both.
 *
 * Shape: callbacks, never promises, on every path that carries messages: an answer costs no
 *        microtask, and a simulated run is replayable. Callbacks are never called synchronously
 *        from inside the call that registered them.
 * Outage: nothing is buffered over a lost connection (protocol 2): what is sent while disconnected
 *        is dropped at once (`publish` returns false, `append` reports `undecided`), and what was
 *        under way reports `undecided`. Subscriptions and followers survive: they continue by
 *        themselves after the reconnect, followers without a gap or repeat.
 */

/** A core NATS message. `payload` belongs to the receiver and may be kept. */
export interface BusMessage {
  readonly subject: string;
  readonly payload: Buffer;
  /** Subject for an answer, when the sender asked for one. */
  readonly reply: string | undefined;
}

/** A message stored in a stream. */
export interface StreamMessage {
  readonly subject: string;
  /** Stream sequence, from 1. */
  readonly sequence: number;
  readonly payload: Buffer;
  /** Server's wall clock at storing, milliseconds since 1970. */
  readonly storedAtMs: number;
  /** `KV-Operation` header: set on the deletion marker of a registry key. */
  readonly deleted: boolean;
}

export interface AppendRequest {
  readonly stream: string;
  readonly subject: string;
  readonly payload: Uint8Array;
  /** `Nats-Msg-Id`: de-duplicates within the stream's duplicate window. */
  readonly messageId?: string;
  /** `Nats-Expected-Last-Subject-Sequence`; 0 = the subject must not exist. */
  readonly expectedLastSubjectSequence?: number;
  /** `Nats-Expected-Last-Sequence`: of the whole stream. */
  readonly expectedLastSequence?: number;
  /** Store a KV deletion marker (`KV-Operation: DEL`). */
  readonly deletes?: boolean;
  /** Answer within this span, else `undecided`. Default APPEND_TIMEOUT_MS. */
  readonly timeoutMs?: number;
}

/** Default wait for the acknowledgement of one append. An fsync on a busy disk takes < 100 ms. */
export const APPEND_TIMEOUT_MS = 2_000;

/**
 * What became of an append (reference/jetstream: "What an answer to a conditional append means").
 * `stored` and `refused` decide; `undecided` decides nothing: send the same again (protocol 6).
 */
export type AppendResult =
  | { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  /**
   * 10071 wrong last sequence: before believing it, look whether the last message is one's own. A
   * repeat of what landed is answered as duplicate or like this: nats-server 2.15.1 looks at the
   * message id first on three replicas, at the expectation first on one.
   */
  | { readonly kind: 'refused' }
  /** The stream is full (`discard: new`): 10077 and kin. */
  | { readonly kind: 'full' }
  /** Time-out, 503, disconnect, 10158, 10163, 10164. */
  | { readonly kind: 'undecided'; readonly why: string }
  /** Any other API error: a programming or set-up fault. */
  | { readonly kind: 'failed'; readonly why: string };

export type GetResult =
  | { readonly kind: 'found'; readonly message: StreamMessage }
  | { readonly kind: 'absent' }
  /** `noStream`: the cluster's leader knows no such stream. */
  | { readonly kind: 'undecided'; readonly why: string; readonly noStream?: true };

export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly replicas: number;
  /** Messages kept per subject; 0 = no limit. Default 0. */
  readonly messagesPerSubjectMax?: number;
  /** Bytes kept; 0 = no limit. Full refuses new messages (`discard: new`). Default 0. */
  readonly bytesMax?: number;
  readonly duplicateWindowMs?: number;
  /** Replicas may answer `get` (not read-after-write). Default false: the leader answers. */
  readonly allowDirect?: boolean;
}

export interface StreamState {
  /** First sequence still stored; last + 1 when empty. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
  /** What it may hold, bytes; 0 = no limit. */
  readonly bytesMax: number;
}

export interface FollowOptions {
  readonly stream: string;
  /** First sequence wanted; earlier ones are never delivered. */
  readonly fromSequence: number;
  /** Only this subject filter. Default: all. */
  readonly subject?: string;
  readonly onMessage: (message: StreamMessage) => void;
  /**
   * Called once whenever everything that was stored at some moment after (re)starting to follow
   * has been delivered; `lastSequence` is that moment's last sequence of the stream.
   */
  readonly onCaughtUp?: (lastSequence: number) => void;
  /** The wanted sequence was already trimmed: delivery goes on at `firstSequence`. */
  readonly onGap?: (firstSequence: number) => void;
}

export interface Follower {
  /** Stops asking for more; what is on its way (bounded by FOLLOW_WINDOW_BYTES) still arrives. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Unprocessed bytes a follower lets the server send ahead. */
export const FOLLOW_WINDOW_BYTES = 4 * 1024 * 1024;

export interface Bus {
  readonly connected: boolean;
  /** Largest payload the server takes, bytes; 0 before the first connection. */
  readonly payloadBytesMax: number;
  /** Called with each change of `connected`. Returns a remover. */
  onConnection(listener: (connected: boolean) => void): () => void;

  /** Core publish. False: not connected, nothing was sent. `payload` is borrowed for the call. */
  publish(subject: string, payload: Uint8Array, reply?: string): boolean;
  /** Core subscribe (`*` and `>` allowed). Returns a remover. Messages of one sender keep order. */
  subscribe(subject: string, onMessage: (message: BusMessage) => void): () => void;
  /**
   * Optional thanks for a large message: the receiver keeps no part of `payload`, its memory serves
   * the next one. At most once; afterwards the bytes are anything.
   */
  giveBack(payload: Buffer): void;
  /** A subject that nobody else uses, for answers. */
  inbox(): string;

  /** `payload` is borrowed for the call: a repeat must pass it again. */
  append(request: AppendRequest, onResult: (result: AppendResult) => void): void;
  /** The leader's last message on `subject`: read-after-write. */
  lastOnSubject(stream: string, subject: string, onResult: (result: GetResult) => void): void;
  /** One message by sequence, from the leader, or from any replica if the stream allows direct. */
  get(stream: string, sequence: number, onResult: (result: GetResult) => void): void;
  /** Stream state from the leader; undefined when it did not answer. */
  state(stream: string, onResult: (state: StreamState | undefined) => void): void;
  /** Deletes everything below `sequence`. Idempotent. False: unknown, ask again later. */
  trim(stream: string, sequence: number, onResult: (done: boolean) => void): void;
  follow(options: FollowOptions): Follower;

  /**
   * Creates or updates a stream. Set-up only; may be called again. Throws Fault. `onWait` is told
   * again and again why it takes longer.
   */
  ensureStream(config: StreamConfig, onWait?: (why: string) => void): Promise<void>;
  /** Ends the connection after handing over what was published. May be called twice. */
  close(): Promise<void>;
}
