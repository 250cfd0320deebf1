/**
 * Packet sender — a session's packets as bytes in its connection's output.
 *
 * Encodes straight into the output buffer; large QoS 0 packets are made once per message and shared
 * between receivers. What the client does not take is dropped by name: packets above its maximum
 * ([MQTT-3.1.2-24], [MQTT-3.1.2-25]) and messages that have expired ([MQTT-3.3.2-5]).
 */
import type { Clock, Reason } from '#base';
import {
  ACK_BYTES_MAX,
  DeliveryOptions,
  encodedQos0,
  encodeAuth,
  encodeConnack,
  encodeSuback,
  encodeUnsuback,
  PINGRESP,
  PUBCOMP,
  publishLength,
  PUBREC,
  PUBREL,
  writeAck,
  writePuback,
  writePublish,
} from '#mqtt';
import type { AckFirstByte, ConnackProperties, PublishView } from '#mqtt';
import type { DeliveryTerms, SessionOutput } from '#session';
import type { ConnectionOutput } from './connection-output.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import { OUTPUT_LARGE_BYTES } from './limits.ts';

/** Shared QoS 0 packets from this size on are handed to the socket without a copy. */
const SHARED_PACKET_BYTES_MIN = OUTPUT_LARGE_BYTES / 4;

/** One for all: it is written and read within one call. */
const options = new DeliveryOptions();

export class PacketSender implements SessionOutput {
  readonly #output: ConnectionOutput;
  readonly #metrics: GatewayMetrics;
  readonly #clock: Clock;
  #version: 4 | 5 = 4;
  #packetBytesMax = 0xffffffff;

  constructor(output: ConnectionOutput, metrics: GatewayMetrics, clock: Clock) {
    this.#output = output;
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** As CONNECT says. */
  setTerms(version: 4 | 5, packetBytesMax: number): void {
    this.#version = version;
    this.#packetBytesMax = packetBytesMax;
  }

  sendConnack(properties: ConnackProperties | undefined, sessionPresent: boolean): boolean {
    const bytesMax = this.#packetBytesMax;
    return this.#answer(encodeConnack(this.#version, 0, sessionPresent, properties, bytesMax));
  }
  sendPuback(packetIdentifier: number, reasonCode: number): void {
    const output = this.#output;
    const at = output.reserve(ACK_BYTES_MAX);
    output.commit(writePuback(output.buffer, at, packetIdentifier, this.#version, reasonCode));
  }
  sendPubrec(packetIdentifier: number, reasonCode: number): void {
    this.#acknowledge(PUBREC, packetIdentifier, reasonCode);
  }
  sendPubrel(packetIdentifier: number, reasonCode: number): void {
    this.#acknowledge(PUBREL, packetIdentifier, reasonCode);
  }
  sendPubcomp(packetIdentifier: number, reasonCode: number): void {
    this.#acknowledge(PUBCOMP, packetIdentifier, reasonCode);
  }
  sendSuback(packetIdentifier: number, reasonCodes: readonly number[]): void {
    this.#answer(encodeSuback(this.#version, packetIdentifier, reasonCodes));
  }
  sendUnsuback(packetIdentifier: number, reasonCodes: readonly number[]): void {
    this.#answer(encodeUnsuback(this.#version, packetIdentifier, reasonCodes));
  }
  sendAuth(authenticationMethod: string): void {
    this.#answer(encodeAuth(0, { authenticationMethod }, this.#packetBytesMax));
  }
  sendPingresp(): void {
    this.#output.append(PINGRESP);
  }

  takesDelivery(view: PublishView, qos: 0 | 1 | 2, terms: DeliveryTerms): boolean {
    const expirySeconds = this.#expirySecondsOf(view);
    if (expirySeconds === 0) return this.#drop('message_expired');
    this.#setOptions(view, 0, terms, expirySeconds, false);
    const length = publishLength(view, this.#version, qos, options);
    return length <= this.#packetBytesMax || this.#drop('message_exceeds_client_maximum');
  }

  sendDelivery(
    view: PublishView,
    qos: 0 | 1 | 2,
    packetIdentifier: number,
    terms: DeliveryTerms,
    isPromised: boolean,
    dup: boolean,
  ): boolean {
    const expirySeconds = this.#expirySecondsOf(view);
    if (expirySeconds === 0 && !isPromised) return this.#drop('message_expired');
    this.#setOptions(view, packetIdentifier, terms, expirySeconds, dup);
    const length = publishLength(view, this.#version, qos, options);
    if (length > this.#packetBytesMax) return this.#drop('message_exceeds_client_maximum');
    const output = this.#output;
    if (
      qos === 0 &&
      length >= SHARED_PACKET_BYTES_MIN &&
      (this.#version === 4 || terms.subscriptionIdentifiers.length === 0)
    ) {
      output.appendShared(encodedQos0(view, this.#version, options.retain, expirySeconds));
      return true;
    }
    const at = output.reserve(length);
    output.commit(writePublish(output.buffer, at, view, this.#version, qos, options));
    return true;
  }

  /**
   * What is left of it; 0 = it is over, -1 = none was set. Its end is rounded up to whole seconds,
   * so what is left is rounded down: never above what the publisher said [MQTT-3.3.2-6].
   */
  #expirySecondsOf(view: PublishView): number {
    if (view.expiresAtSeconds === 0) return -1;
    if (view.hasExpired(this.#clock)) return 0;
    return Math.max(1, view.expiresAtSeconds - Math.ceil(this.#clock.wallMs() / 1_000));
  }

  #setOptions(
    view: PublishView,
    packetIdentifier: number,
    terms: DeliveryTerms,
    expirySeconds: number,
    dup: boolean,
  ): void {
    options.retain =
      terms.retained || (view.retain && terms.retainAsPublished && this.#version === 5);
    options.dup = dup;
    options.packetIdentifier = packetIdentifier;
    options.subscriptionIdentifiers = terms.subscriptionIdentifiers;
    options.messageExpiryIntervalSeconds = expirySeconds;
  }

  #answer(packet: Buffer): boolean {
    if (packet.length > this.#packetBytesMax) return this.#drop('message_exceeds_client_maximum');
    this.#output.append(packet);
    return true;
  }

  #acknowledge(first: AckFirstByte, identifier: number, code: number): void {
    const output = this.#output;
    const at = output.reserve(ACK_BYTES_MAX);
    output.commit(writeAck(output.buffer, at, first, identifier, this.#version, code));
  }

  #drop(reason: Reason): false {
    this.#metrics.dropped[reason]++;
    return false;
  }
}
