/**
 * Messages between gateways and owners that are rare (per connection or rarer): JSON behind a
 * version byte (proto/wire/frame.md). Per-message traffic is binary, in frames.
 */
import { Fault, type Reason } from '#base';
import type { Position } from '#log';
import type { InFlight, StoredSubscription } from '#session-store';

export const MESSAGE_VERSION = 1;

/** Rank of a grant: orders two holders of one client identifier over changes of owner. */
export type Rank = readonly [epoch: number, number: number];

/** How far a QoS 2 delivery is: sent (or about to be), received by the client, finished. */
export const OUT_SENT = 0;
export const OUT_RECEIVED = 1;
export const OUT_FINISHED = 2;

/** A QoS 2 delivery of a stored session; the last number is one of OUT_…. */
export type OutEntry = readonly [
  packetIdentifier: number,
  partition: number,
  position: Position,
  state: number,
];

/** A will as CONNECT brought it. Buffers are base64. */
export interface ClaimedWill {
  readonly topic: string;
  readonly payload: string;
  /** A PUBLISH's properties, length field first. */
  readonly properties: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly delaySeconds: number;
  /** -1 = none. */
  readonly messageExpirySeconds: number;
}

/** A stored session as its home hands it to the gateway of its client (S1 of ADR 0012). */
export interface GrantedSession {
  /** There was one already: CONNACK says so. */
  readonly present: boolean;
  readonly generation: number;
  readonly stay: number;
  readonly revision: number;
  readonly subscriptions: readonly StoredSubscription[];
  /** Per partition. */
  readonly cursor: readonly Position[];
  readonly inFlight: readonly InFlight[];
  /** QoS 2 deliveries begun by earlier connections. Absent: none. */
  readonly outs?: readonly OutEntry[];
}

export type ClaimDecision =
  | {
      readonly connection: number;
      readonly granted: true;
      readonly rank: Rank;
      /** Absent: a clean session. */
      readonly session?: GrantedSession;
    }
  | { readonly connection: number; readonly granted: false; readonly reason: Reason }
  /** Acknowledges a release; the home's records are at `revision` or above. */
  | { readonly connection: number; readonly released: true; readonly revision: number }
  /** Acknowledges steps of QoS 2 deliveries: they are durable. */
  | { readonly connection: number; readonly stepped: number }
  /** Acknowledges a change: it is durable. */
  | { readonly connection: number; readonly changed: number; readonly revision: number };

/** Owner → gateway. */
export type OwnerMessage =
  | { readonly t: 'hello'; readonly p: number; readonly epoch: number }
  | {
      readonly t: 'welcome';
      readonly p: number;
      readonly epoch: number;
      readonly position: Position;
    }
  | {
      readonly t: 'effective';
      readonly p: number;
      readonly epoch: number;
      /** Filter versions above `from` up to `to` … */
      readonly from: number;
      readonly to: number;
      /** … count for every message after this position. */
      readonly position: Position;
    }
  | {
      readonly t: 'claims';
      readonly p: number;
      readonly epoch: number;
      readonly decisions: readonly ClaimDecision[];
    }
  | {
      readonly t: 'end';
      readonly p: number;
      readonly epoch: number;
      readonly connection: number;
      readonly reason: Reason;
    }
  /** X of a session (S4): the `number`-th answer that is part of the chain of this owner. */
  | {
      readonly t: 'live';
      readonly p: number;
      readonly epoch: number;
      readonly number: number;
      readonly generation: number;
      readonly turn: number;
      readonly position: Position;
    }
  /** S5: what the session is to get is being filed. */
  | {
      readonly t: 'filed';
      readonly p: number;
      readonly epoch: number;
      readonly generation: number;
      readonly turn: number;
    }
  /** ADR 0013: what reports up to this number caused is durable. */
  | {
      readonly t: 'groups';
      readonly p: number;
      readonly epoch: number;
      readonly heard: number;
    }
  /** S10: the owner's view has this revision of the home's records. */
  | {
      readonly t: 'seen';
      readonly p: number;
      readonly epoch: number;
      readonly home: number;
      readonly revision: number;
    };

/** Positions, ascending: the first, then the difference of each to the one before. */
export type PositionList = readonly number[];

export function encodePositions(positions: readonly Position[]): PositionList {
  const sorted = positions.toSorted((a, b) => a - b);
  return sorted.map((position, i) => position - (i === 0 ? 0 : (sorted[i - 1] as Position)));
}

export function decodePositions(list: PositionList): Position[] {
  let last = 0;
  return list.map((difference) => (last += difference));
}

/** Positions of messages of a shared subscription, by its text `$share/NAME/FILTER`. */
export type GroupPositions = readonly [group: string, positions: PositionList];

/** What a gateway names of a shared subscription when it answers hello (ADR 0013). */
export type HeldOfGroup = readonly [group: string, held: PositionList, finished: PositionList];

/** A client identifier held by a gateway, as its answer to hello names it. */
export interface HeldIdentifier {
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly connection: number;
  readonly rank: Rank;
}

/** What the end of a stay says. */
export interface LeavingSession {
  readonly stay: number;
  /** Per partition: everything up to here is acknowledged; null: not known here, as before. */
  readonly cursor: readonly (Position | null)[];
  readonly inFlight: readonly InFlight[];
  readonly sessionExpirySeconds: number;
}

/** Gateway → owner. */
export type GatewayMessage =
  | { readonly t: 'present'; readonly inc: string }
  | {
      readonly t: 'answer';
      readonly inc: string;
      readonly epoch: number;
      /** Counts the gateway's answers: parts of two of them are not one. */
      readonly attempt: number;
      readonly done: Position | null;
      readonly filterVersion: number;
      /** Filter versions up to this one were answered in this partition by an earlier owner. */
      readonly answeredVersion: number;
      readonly ids: readonly HeldIdentifier[];
      /** S8. Per home the highest revision known. */
      readonly known: readonly number[];
      /** S8. Generations of stays here that are not live in this partition. In parts, as `ids`. */
      readonly filed: readonly number[];
      /**
       * S8. Connections whose claims are not decided here. Their homes may have granted them what
       * is at or below `known` and never came: it is not live here. In parts, as `ids`.
       */
      readonly undecided?: readonly number[];
      /** S4. Live sessions whose X lies above the durable checkpoint heard of. In parts. */
      readonly fresh: readonly (readonly [generation: number, position: Position])[];
      /** ADR 0013. In parts, as `ids`. */
      readonly groups?: readonly HeldOfGroup[];
      readonly part: number;
      readonly parts: number;
    }
  | {
      readonly t: 'again';
      readonly inc: string;
      readonly epoch: number;
      readonly from: Position;
      /** Answers of the chain that have come. */
      readonly answers: number;
    }
  | {
      readonly t: 'claim';
      readonly inc: string;
      readonly connection: number;
      readonly clientIdentifier: string;
      readonly authenticationName: string;
      readonly cleanStart: boolean;
      /** 0 = ends with the connection. */
      readonly sessionExpirySeconds: number;
      readonly will?: ClaimedWill;
    }
  | {
      readonly t: 'release';
      readonly inc: string;
      readonly connection: number;
      readonly clientIdentifier: string;
      /** Of a stored session's stay; absent for a clean one. */
      readonly leaving?: LeavingSession;
      /** The connection did not end as its client announced. Absent: no will. */
      readonly publishesWill?: boolean;
    }
  /** QoS 2 out of a stored session (ADR 0014). `number` counts the messages of the connection. */
  | {
      readonly t: 'out';
      readonly inc: string;
      readonly connection: number;
      readonly clientIdentifier: string;
      readonly number: number;
      readonly steps: readonly OutEntry[];
      /** Per partition: everything up to here is acknowledged; null: not known. */
      readonly acknowledged: readonly (Position | null)[];
    }
  /** Subscriptions of a stored session (S1). `number` counts the changes of the connection. */
  | {
      readonly t: 'change';
      readonly inc: string;
      readonly connection: number;
      readonly clientIdentifier: string;
      readonly number: number;
      readonly add: readonly StoredSubscription[];
      readonly remove: readonly string[];
    }
  /** S4: this session has read its queue up to `after`; `turn` counts S4 and S5 of the stay. */
  | {
      readonly t: 'live';
      readonly inc: string;
      readonly epoch: number;
      readonly generation: number;
      readonly stay: number;
      readonly turn: number;
      readonly filterVersion: number;
    }
  /** S5: file again what is above `from`. */
  | {
      readonly t: 'file';
      readonly inc: string;
      readonly epoch: number;
      readonly generation: number;
      readonly stay: number;
      readonly turn: number;
      readonly from: Position;
    }
  /** A page of the session's queue, what stands above `after`. */
  | {
      readonly t: 'queue';
      readonly inc: string;
      readonly epoch: number;
      readonly generation: number;
      readonly stay: number;
      /** Number of the request, unlike all others of this gateway. */
      readonly request: number;
      readonly after: Position;
    }
  /** S9. */
  | {
      readonly t: 'consumed';
      readonly inc: string;
      readonly epoch: number;
      readonly sessions: readonly (readonly [generation: number, upTo: Position])[];
    }
  /** ADR 0013: a report about shared subscriptions; counted from 1 in each epoch. */
  | {
      readonly t: 'groups';
      readonly inc: string;
      readonly epoch: number;
      readonly number: number;
      /** Sections up to this number were taken. */
      readonly taken: number;
      /** How many messages of each group may be here at once. */
      readonly windows: readonly (readonly [group: string, count: number])[];
      readonly done: readonly GroupPositions[];
      /** Given back: another member is to get them. */
      readonly back: readonly GroupPositions[];
    }
  /** S10: answer once the view has this revision. */
  | {
      readonly t: 'seen';
      readonly inc: string;
      readonly epoch: number;
      readonly home: number;
      readonly revision: number;
    }
  /** A page of the retained messages that match a filter, as they stand at `upTo` (rule 23). */
  | {
      readonly t: 'retained';
      readonly inc: string;
      readonly epoch: number;
      /** Number of the fetch, unlike all others of this gateway. */
      readonly request: number;
      readonly topicFilter: string;
      readonly upTo: Position;
      readonly page: number;
    }
  /** The fetch is over before its last page. */
  | { readonly t: 'enough'; readonly inc: string; readonly epoch: number; readonly request: number }
  /** Flow control: everything up to this position has been taken from the channel. */
  | { readonly t: 'taken'; readonly inc: string; readonly epoch: number; readonly to: Position }
  | {
      readonly t: 'effective';
      readonly inc: string;
      readonly epoch: number;
      readonly version: number;
    };

/** A gateway tells another up to which version it follows that one's filters. */
export interface InterestHeard {
  readonly by: string;
  readonly version: number;
}

/** Filters of a gateway changed from one version to another. */
export interface InterestDelta {
  /** null: too much for one message; whoever follows asks for the whole. */
  readonly from: number | null;
  readonly to: number;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** A part of all filters of a gateway at one version. */
export interface InterestWhole {
  readonly inc: string;
  /** The request that it answers: parts of two answers are not one. */
  readonly ask: number;
  readonly version: number;
  readonly part: number;
  readonly parts: number;
  readonly filters: readonly string[];
}

/** Ask a gateway for its filters unless `have` is its version. */
export interface InterestAsk {
  readonly have: number;
  /** Comes back with the answer. */
  readonly ask: number;
}

/** Bytes of filters or identifiers in one message (protocol 16). */
export const CHUNK_BYTES_MAX = 256 * 1024;

export function encodeMessage(message: object): Buffer {
  const text = JSON.stringify(message);
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(text, 'utf8'));
  bytes[0] = MESSAGE_VERSION;
  bytes.write(text, 1, 'utf8');
  return bytes;
}

/** The message behind the version byte; Fault WEIR_WIRE when it is not ours. */
export function decodeMessage<T>(bytes: Buffer): T {
  if (bytes[0] !== MESSAGE_VERSION) {
    throw new Fault('WEIR_WIRE', `message of unknown version ${bytes[0] ?? 'none'}`);
  }
  try {
    return JSON.parse(bytes.toString('utf8', 1)) as T;
  } catch (cause) {
    throw new Fault('WEIR_WIRE', 'message is not JSON', cause);
  }
}
