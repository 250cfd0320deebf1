/**
 * Metrics of the edge — plain counters, read when somebody scrapes.
 *
 * Labels are reasons only; nothing is labelled by client or topic. Messages are counted by the
 * core.
 */
import { REASONS } from '#base';
import type { Reason } from '#base';
import type { Metrics, Sample } from '#runtime';

type ReasonCounts = Record<Reason, number>;

function noCounts(): ReasonCounts {
  return Object.fromEntries(Object.keys(REASONS).map((reason) => [reason, 0])) as ReasonCounts;
}

/** CONNECT received to CONNACK sent. */
const CONNECT_BUCKETS_SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

export class GatewayMetrics {
  connectionsAccepted = 0;
  connectionsOpen = 0;
  sessionsOpen = 0;
  handshakesWaiting = 0;
  bytesReceived = 0;
  bytesSent = 0;
  socketWrites = 0;
  inputHolds = 0;
  logLinesSuppressed = 0;
  /** Refused and closed connections. */
  readonly ended = noCounts();
  readonly dropped = noCounts();
  /** Of each listener, in the order in which they were opened. */
  readonly listeners: { readonly name: string; readonly openCount: number }[] = [];
  readonly connectSeconds: { observe(value: number): void };

  constructor(metrics: Metrics) {
    metrics.counter(
      'weir_gateway_connections_accepted_total',
      'Client connections accepted.',
      () => this.connectionsAccepted,
    );
    metrics.gauge('weir_gateway_connections', 'Open client sockets.', () => this.connectionsOpen);
    metrics.gauge(
      'weir_gateway_listener_connections',
      'Open client sockets, by listener.',
      (): Sample[] => this.listeners.map(({ name, openCount }) => [{ listener: name }, openCount]),
    );
    metrics.gauge('weir_gateway_sessions', 'Connections past CONNACK.', () => this.sessionsOpen);
    metrics.gauge(
      'weir_gateway_handshakes_waiting',
      'Sockets whose TLS handshake waits for its turn.',
      () => this.handshakesWaiting,
    );
    metrics.counter(
      'weir_gateway_received_bytes_total',
      'MQTT bytes read from clients.',
      () => this.bytesReceived,
    );
    metrics.counter(
      'weir_gateway_sent_bytes_total',
      'MQTT bytes written to clients.',
      () => this.bytesSent,
    );
    metrics.counter(
      'weir_gateway_socket_writes_total',
      'Writes to client sockets.',
      () => this.socketWrites,
    );
    metrics.counter(
      'weir_gateway_input_holds_total',
      'Times a client was not read for a while: back-pressure.',
      () => this.inputHolds,
    );
    metrics.counter(
      'weir_gateway_connections_ended_total',
      'Connections refused or closed, by reason.',
      () => byReason(this.ended, 'refuse', 'close'),
    );
    metrics.counter(
      'weir_gateway_messages_dropped_total',
      'Messages not passed on, and subscriptions taken, by reason.',
      () => byReason(this.dropped, 'refuse', 'drop'),
    );
    this.connectSeconds = metrics.histogram(
      'weir_gateway_connect_seconds',
      'CONNECT received to CONNACK sent.',
      CONNECT_BUCKETS_SECONDS,
    );
  }
}

function byReason(counts: ReasonCounts, ...kinds: readonly string[]): Sample[] {
  const samples: Sample[] = [];
  for (const [reason, count] of Object.entries(counts)) {
    if (kinds.includes(REASONS[reason as Reason].kind)) samples.push([{ reason }, count]);
  }
  return samples;
}
