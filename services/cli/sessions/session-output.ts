/**
 * Session output — sessions as tables, names, JSON and YAML.
 */
import { formatted, tableLines } from '../registry/output.ts';
import type { ListFormat } from '../registry/output.ts';
import type { ApiSession, ListedSession, SessionQueue } from './session-client.ts';

type WriteLine = (line: string) => void;

/** 0xFFFFFFFF of MQTT 5. */
const NEVER_SECONDS = 0xffff_ffff;
const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const;

export function writeSessions(
  sessions: readonly ListedSession[],
  output: ListFormat,
  nowMs: number,
  out: WriteLine,
): void {
  if (output === 'name') {
    for (const one of sessions) out(nameOf(one));
    return;
  }
  if (output !== 'table') return out(formatted(sessions, output));
  const head = ['CLIENT IDENTIFIER', 'AUTHENTICATION NAME', 'GATEWAY', 'SUBSCRIPTIONS', 'EXPIRES'];
  const rows = sessions.map((session) => [
    session.clientIdentifier,
    session.authenticationName,
    session.connected ? session.gateway : '-',
    String(session.subscriptionCount),
    expiryText(session, nowMs),
  ]);
  for (const line of tableLines([head, ...rows])) out(line);
}

export function writeSession(
  session: ApiSession,
  output: ListFormat,
  nowMs: number,
  out: WriteLine,
): void {
  if (output === 'name') return out(nameOf(session));
  if (output !== 'table') return out(formatted(session, output));
  const { gateway, connection, connected, packetIdentifiersInFlight: inFlight } = session;
  const facts = [
    ['client identifier', session.clientIdentifier],
    ['authentication name', session.authenticationName],
    ['connected', connected ? `to ${gateway}, connection ${connection}` : 'no'],
    ['expires', expiryText(session, nowMs)],
    ['in flight', inFlight.length === 0 ? '-' : inFlight.join(' ')],
  ];
  for (const line of tableLines(facts)) out(line);
  const filters = session.subscriptions.map(({ topicFilter, qos }) => [topicFilter, String(qos)]);
  const queues = session.queues.map((queue) => [
    String(queue.partition),
    queue.mode,
    String(queue.messageCount),
    queue.messageBytes,
    ageText(queue, nowMs),
  ]);
  const tables = [
    [['TOPIC FILTER', 'QOS'], ...filters],
    [['PARTITION', 'MODE', 'MESSAGES', 'BYTES', 'OLDEST'], ...queues],
  ];
  for (const table of tables) for (const line of ['', ...tableLines(table)]) out(line);
}

/** Devices choose their identifiers: what would break a line is escaped. */
export function nameOf({ clientIdentifier }: Pick<ListedSession, 'clientIdentifier'>): string {
  if (!/\p{Cc}/u.test(clientIdentifier)) return clientIdentifier;
  return JSON.stringify(clientIdentifier);
}

function expiryText(session: ListedSession, nowMs: number): string {
  const { connected, sessionExpirySeconds, expireTime } = session;
  if (sessionExpirySeconds === NEVER_SECONDS) return 'never';
  if (connected || expireTime === undefined) {
    return `${spanText(sessionExpirySeconds)} after its connection`;
  }
  return `in ${spanText((Date.parse(expireTime) - nowMs) / 1_000)}`;
}

function ageText({ oldestPublishTime }: SessionQueue, nowMs: number): string {
  if (oldestPublishTime === undefined) return '-';
  return `${spanText((nowMs - Date.parse(oldestPublishTime)) / 1_000)} old`;
}

/** In the largest unit that it has two of. */
function spanText(seconds: number): string {
  const [unit, size] = UNITS.find(([, unitSeconds]) => seconds >= 2 * unitSeconds) ?? ['s', 1];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
}
