/**
 * Session client — the API's methods about sessions (proto/weir/v1/sessions.proto).
 */
import type { ControlClient } from '../registry/control-client.ts';

/** Sessions asked for at once; the API gives at most 1,000. */
const PAGE_SIZE = 500;

/** A session as lists show it. */
export interface ListedSession {
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly connected: boolean;
  /** Empty: not connected. */
  readonly gateway: string;
  readonly gatewayIncarnation: string;
  readonly connection: number;
  readonly subscriptionCount: number;
  readonly sessionExpirySeconds: number;
  /** Absent: connected, or never. */
  readonly expireTime?: string;
}

export interface SessionQueue {
  readonly partition: number;
  readonly mode: string;
  readonly messageCount: number;
  /** A 64-bit number: JSON of protobuf has it as text. */
  readonly messageBytes: string;
  readonly oldestPublishTime?: string;
}

export interface ApiSession extends ListedSession {
  readonly subscriptions: readonly { readonly topicFilter: string; readonly qos: number }[];
  readonly queues: readonly SessionQueue[];
  readonly packetIdentifiersInFlight: readonly number[];
}

/** What is absent does not filter. */
export interface SessionFilter {
  readonly clientIdentifierPrefix?: string | undefined;
  readonly authenticationName?: string | undefined;
  readonly gateway?: string | undefined;
  readonly connected?: boolean | undefined;
}

/** Page by page, in the order of client identifiers. Throws ControlRefusal. */
export async function* listSessions(
  client: ControlClient,
  filter: SessionFilter = {},
): AsyncGenerator<ListedSession> {
  const filters = Object.entries(filter).filter(([, value]) => value !== undefined);
  const given = Object.fromEntries(filters.map(([name, value]) => [name, String(value)]));
  for (let pageToken = ''; ;) {
    const query = new URLSearchParams({ ...given, pageSize: String(PAGE_SIZE), pageToken });
    const page = await client.call('GET', `/sessions?${query.toString()}`);
    const { sessions, nextPageToken } = page as unknown as Page;
    // Control answers with whole messages; their shape is that of proto/weir/v1.
    yield* sessions;
    if (nextPageToken === '') return;
    pageToken = nextPageToken;
  }
}

interface Page {
  readonly sessions: readonly ListedSession[];
  readonly nextPageToken: string;
}

export async function getSession(client: ControlClient, identifier: string): Promise<ApiSession> {
  return (await client.call('GET', pathOf(identifier))) as unknown as ApiSession;
}

/** False: nobody was connected. */
export async function disconnectSession(
  client: ControlClient,
  identifier: string,
): Promise<boolean> {
  const answer = await client.call('POST', `${pathOf(identifier)}/disconnect`);
  return answer['wasConnected'] === true;
}

export async function deleteSession(client: ControlClient, identifier: string): Promise<void> {
  await client.call('DELETE', pathOf(identifier));
}

function pathOf(clientIdentifier: string): string {
  return `/sessions/${encodeURIComponent(clientIdentifier)}`;
}
