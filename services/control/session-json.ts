/**
 * Sessions in the JSON of the API: a record, who is connected, and what waits per partition.
 */
import type { HeldConnection, QueueState } from '#frames';
import type { SessionRecord, StoredSubscription } from '#session-store';
import type { JsonRecord } from './resource-json.ts';

/** Longest times of JSON's timestamps; later ones are "never". */
const TIME_MS_MAX = 253_402_300_799_000;

/** A connection of the session: what its record says, or what its home does. */
export type ConnectedAt = Pick<HeldConnection, 'incarnation' | 'number'>;

/** As lists show it. */
export function sessionToJson(
  record: SessionRecord,
  at: ConnectedAt | undefined,
  gatewayName: (incarnation: string) => string,
): JsonRecord {
  const { clientIdentifier, authenticationName, subscriptions, sessionExpirySeconds } = record;
  const { expiresAtMs } = record;
  return {
    clientIdentifier,
    authenticationName,
    connected: at !== undefined,
    ...(at !== undefined && {
      gateway: gatewayName(at.incarnation),
      gatewayIncarnation: at.incarnation,
      connection: at.number,
    }),
    subscriptionCount: subscriptions.length,
    sessionExpirySeconds,
    ...(at === undefined && expiresAtMs <= TIME_MS_MAX && { expireTime: timeText(expiresAtMs) }),
  };
}

/** What is shown beside that of a single session. */
export function sessionDetails(
  { subscriptions }: SessionRecord,
  queues: readonly QueueState[],
  packetIdentifiersInFlight: readonly number[],
): JsonRecord {
  return {
    subscriptions: subscriptions.map(subscriptionToJson),
    queues: queues.map(({ mode, messages, bytes, oldestAtSeconds }, partition) => ({
      partition,
      mode,
      messageCount: messages,
      messageBytes: bytes,
      ...(oldestAtSeconds !== null && { oldestPublishTime: timeText(oldestAtSeconds * 1_000) }),
    })),
    packetIdentifiersInFlight,
  };
}

function subscriptionToJson(stored: StoredSubscription): JsonRecord {
  const { topicFilter, qos, noLocal, retainAsPublished, subscriptionIdentifier } = stored;
  return { topicFilter, qos, noLocal, retainAsPublished, subscriptionIdentifier };
}

function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
