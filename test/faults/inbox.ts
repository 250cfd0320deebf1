/**
 * Inbox — the receiving half of MQTT's QoS protocols in one client, over its connections.
 *
 * QoS 1: accepted, then PUBACK. QoS 2: accepted at the first PUBLISH of a packet identifier, which
 * is remembered, with the session, until PUBREL. Acknowledgements may be held back for a while;
 * what the broker sends beyond the Receive Maximum, or under an identifier in use, is a finding.
 */
import type { IPublishPacket } from 'mqtt-packet';
import type { Life } from './life.ts';
import type { AckKind, MqttConnection } from './mqtt-connection.ts';

export interface InboxOptions {
  readonly receiveMaximum: number;
  /** Each acknowledgement waits so long. 0: none. */
  ackDelayMs: number;
}

export class Inbox {
  readonly options: InboxOptions;
  life: Life;
  #connection: MqttConnection | undefined;
  /** Identifiers of this connection that are not acknowledged whole. */
  readonly #unacknowledged = new Set<number>();
  /** Of the session: QoS 2, accepted and not released. */
  readonly #accepted = new Set<number>();

  constructor(life: Life, options: InboxOptions) {
    this.life = life;
    this.options = options;
  }

  /** A new connection; without its session what was half received is forgotten. */
  use(connection: MqttConnection, sessionPresent: boolean): void {
    this.#connection = connection;
    this.#unacknowledged.clear();
    if (!sessionPresent) this.#accepted.clear();
  }

  publish(packet: IPublishPacket, from: MqttConnection): void {
    if (from !== this.#connection) return;
    const { qos, dup, retain, topic, messageId = 0 } = packet;
    const isRepeat = qos === 2 && this.#accepted.has(messageId);
    if (qos > 0) this.#checkIdentifier(messageId);
    if (!isRepeat) {
      this.life.take({ topic, content: packet.payload.toString(), qos, dup, retain });
    }
    if (qos === 0) return;
    if (qos === 2) this.#accepted.add(messageId);
    this.#answer(qos === 1 ? 'puback' : 'pubrec', messageId, from);
  }

  /** PUBREL; the others belong to what this client publishes, which is nothing. */
  ack(kind: AckKind, packetIdentifier: number, from: MqttConnection): void {
    if (from !== this.#connection) return;
    if (kind !== 'pubrel') {
      this.life.fault('terms', `${kind} ${packetIdentifier} for what was not published`);
      return;
    }
    this.#accepted.delete(packetIdentifier);
    this.#answer('pubcomp', packetIdentifier, from);
  }

  #answer(kind: AckKind, packetIdentifier: number, to: MqttConnection): void {
    const send = (): void => {
      if (to !== this.#connection || !to.isOpen) return;
      if (kind !== 'pubrec') this.#unacknowledged.delete(packetIdentifier);
      to.ack(kind, packetIdentifier);
    };
    const { ackDelayMs } = this.options;
    if (ackDelayMs === 0) send();
    else setTimeout(send, ackDelayMs);
  }

  #checkIdentifier(packetIdentifier: number): void {
    const { receiveMaximum } = this.options;
    if (packetIdentifier === 0 || this.#unacknowledged.has(packetIdentifier)) {
      this.life.fault('terms', `packet identifier ${packetIdentifier} is in use`);
    }
    this.#unacknowledged.add(packetIdentifier);
    const count = this.#unacknowledged.size;
    if (count <= receiveMaximum) return;
    this.life.fault('terms', `${count} unacknowledged, Receive Maximum ${receiveMaximum}`);
  }
}
