import type { ProtocolVersion, QoS } from './packet.ts';
import type { PublishView } from './publish-view.ts';

/** What differs per receiver. One object is reused by its writer. */
export class DeliveryOptions {
  retain = false;
  dup = false;
  /** 1..65535 with QoS ≥ 1. */
  packetIdentifier = 0;
  /** MQTT 5 only. */
  subscriptionIdentifiers: readonly number[] = [];
  /** What is left of it, in seconds; -1 = none. MQTT 5 only. */
  messageExpiryIntervalSeconds = -1;
}

/** Bytes of the whole packet. */
export function publishLength(
  _view: PublishView,
  _version: ProtocolVersion,
  _qos: QoS,
  _options: DeliveryOptions,
): number {
  return 0;
}

/** Writes the packet at `offset`; the caller made room for `publishLength`. Returns its end. */
export function writePublish(
  _out: Buffer,
  offset: number,
  _view: PublishView,
  _version: ProtocolVersion,
  _qos: QoS,
  _options: DeliveryOptions,
): number {
  return offset;
}

/**
 * The QoS 0 packet that all receivers of one version share (no subscription identifiers). Cached
 * on the view; must not be written to.
 */
export function encodedQos0(
  _view: PublishView,
  _version: ProtocolVersion,
  _retain: boolean,
  _messageExpiryIntervalSeconds: number,
): Buffer {
  return Buffer.alloc(0);
}
