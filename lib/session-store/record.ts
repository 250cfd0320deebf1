/**
 * Session record — what the home keeps of a stored session (docs/adr/0012, proto/wire/session.md).
 *
 * Shape: a version byte and JSON under the client identifier in the home's session log. It changes
 *        per connection or rarer; what happens per message never touches it, save the cursor at the
 *        end of a stay.
 * Names: `generation` is unique in the cluster and names the session's life everywhere else.
 */
import { Fault } from '#base';
import type { Position } from '#log';

export const SESSION_VERSION = 1;

/** One subscription of a stored session. */
export interface StoredSubscription {
  readonly topicFilter: string;
  /** Granted maximum QoS. */
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0 = none. */
  readonly subscriptionIdentifier: number;
  /**
   * Per partition: nothing at or below it is filed or sent for this filter (protocol 15). Absent
   * once every checkpoint has passed it.
   */
  readonly starts?: readonly Position[];
  /** Absent: it asks for nothing else. */
  readonly formerly?: FormerQos;
}

/**
 * Of a subscription that was lowered to QoS 0: per partition, what was published up to there is
 * owed at the QoS that it had; above, QoS 0 came when it was published [MQTT-3.8.4-4].
 */
export interface FormerQos {
  readonly qos: 1 | 2;
  readonly upTo: readonly Position[];
}

/** A delivery that its client had not acknowledged when its connection ended. */
export type InFlight = readonly [packetIdentifier: number, partition: number, position: Position];

/** Where a session is connected. */
export interface Stay {
  readonly incarnation: string;
  readonly connection: number;
}

export interface SessionRecord {
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  /** Revision × partitions + home at which the session began. */
  readonly generation: number;
  /** Rises with each change of any record of this home. */
  readonly revision: number;
  /** Revision of the last attach. */
  readonly stay: number;
  /** Undefined: nobody is connected. */
  readonly at: Stay | undefined;
  /** Number of the last `change` of this stay that was applied. */
  readonly changes: number;
  readonly subscriptions: readonly StoredSubscription[];
  /** Per partition: everything up to here was acknowledged, or came before the session. */
  readonly cursor: readonly Position[];
  readonly inFlight: readonly InFlight[];
  readonly sessionExpirySeconds: number;
  /**
   * Wall clock at which a session without connection ends; Infinity: never. Connected: Infinity.
   */
  readonly expiresAtMs: number;
}

/** `expiresAtMs` has no Infinity in JSON. */
interface WrittenRecord extends Omit<SessionRecord, 'expiresAtMs' | 'at'> {
  readonly at: Stay | null;
  readonly expiresAtMs: number | null;
}

export function encodeSession(record: SessionRecord): Buffer {
  const { expiresAtMs, at } = record;
  const written: WrittenRecord = {
    ...record,
    at: at ?? null,
    expiresAtMs: expiresAtMs === Infinity ? null : expiresAtMs,
  };
  const text = JSON.stringify(written);
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(text, 'utf8'));
  bytes[0] = SESSION_VERSION;
  bytes.write(text, 1, 'utf8');
  return bytes;
}

/** Fault WEIR_WIRE for bytes of another version. */
export function decodeSession(bytes: Buffer): SessionRecord {
  if (bytes[0] !== SESSION_VERSION) {
    throw new Fault('WEIR_WIRE', `session record of unknown version ${bytes[0] ?? 'none'}`);
  }
  try {
    const written = JSON.parse(bytes.toString('utf8', 1)) as WrittenRecord;
    return {
      ...written,
      at: written.at ?? undefined,
      expiresAtMs: written.expiresAtMs ?? Infinity,
    };
  } catch (cause) {
    throw new Fault('WEIR_WIRE', 'session record is not JSON', cause);
  }
}

/** Maximum QoS at which a subscription asks for what stands at a position. */
export function qosAt(
  { qos, formerly }: Pick<StoredSubscription, 'qos' | 'formerly'>,
  partition: number,
  position: Position,
): 0 | 1 | 2 {
  if (formerly === undefined || position > (formerly.upTo[partition] ?? 0)) return qos;
  return formerly.qos;
}

/** The home partition of a generation. */
export function homeOfGeneration(generation: number, partitions: number): number {
  return generation % partitions;
}
