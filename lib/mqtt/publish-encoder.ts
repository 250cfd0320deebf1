/**
 * PUBLISH to a receiver — a header, then slices of the view (design §4, §11); nothing is
 * re-encoded.
 *
 *     first u8 | remainingLength varint | topic | packetIdentifier u16 (QoS ≥ 1)
 *     properties (5.0): length | forwardable ones | messageExpiryInterval | subscription ids
 *     payload
 *
 * The view may stand in a log record (properties always there) or in a publisher's packet (3.1.1:
 * none; 5.0: with alias and expiry, which are left out here). Cost: no allocation but
 * `encodedQos0`'s.
 */
import { copyBytes } from './copy-bytes.ts';
import { forwardableContentLength, writeForwardableContent } from './forwardable-properties.ts';
import type { ProtocolVersion, QoS } from './packet.ts';
import { MESSAGE_EXPIRY_INTERVAL, SUBSCRIPTION_IDENTIFIER } from './property-table.ts';
import type { PublishView } from './publish-view.ts';
import { varintLength, writeVarint } from './varint.ts';

const NO_IDENTIFIERS: readonly number[] = [];

/** What differs per receiver. One object is reused by its writer. */
export class DeliveryOptions {
  retain = false;
  dup = false;
  /** 1…65535 with QoS ≥ 1. */
  packetIdentifier = 0;
  /** MQTT 5 only: 1…268435455 each. */
  subscriptionIdentifiers: readonly number[] = NO_IDENTIFIERS;
  /** What is left of it, in seconds; -1 = none. MQTT 5 only. */
  messageExpiryIntervalSeconds = -1;
}

/** Bytes of the whole packet. */
export function publishLength(
  view: PublishView,
  version: ProtocolVersion,
  qos: QoS,
  options: DeliveryOptions,
): number {
  const remaining =
    version === 4
      ? bareLength(view, qos)
      : withProperties(bareLength(view, qos), propertiesLength(view, options));
  return 1 + varintLength(remaining) + remaining;
}

/** Writes the packet at `offset`; the caller made room for `publishLength`. Returns its end. */
export function writePublish(
  out: Buffer,
  offset: number,
  view: PublishView,
  version: ProtocolVersion,
  qos: QoS,
  options: DeliveryOptions,
): number {
  const from = view.buffer;
  const bare = bareLength(view, qos);
  const added = version === 5 ? propertiesLength(view, options) : 0;
  out[offset] = 0x30 | (qos << 1) | (options.retain ? 1 : 0) | (options.dup ? 8 : 0);
  let at = writeVarint(out, offset + 1, version === 5 ? withProperties(bare, added) : bare);
  at = copyBytes(out, at, from, view.topicStart, view.topicEnd);
  if (qos !== 0) {
    out[at] = options.packetIdentifier >>> 8;
    out[at + 1] = options.packetIdentifier;
    at += 2;
  }
  if (version === 5) {
    if (added === 0) out[at++] = 0;
    else at = writeProperties(out, at, view, options, added);
  }
  return copyBytes(out, at, from, view.payloadStart, view.end);
}

/**
 * The QoS 0 packet that all receivers of one version share (no subscription identifiers); must not
 * be written to. Cached on the view without RETAIN, so one message has one expiry.
 */
export function encodedQos0(
  view: PublishView,
  version: ProtocolVersion,
  retain: boolean,
  messageExpiryIntervalSeconds: number,
): Buffer {
  const cached = version === 4 ? view.encodedV4 : view.encodedV5;
  if (cached !== undefined && !retain) return cached;
  shared.retain = retain;
  shared.messageExpiryIntervalSeconds = messageExpiryIntervalSeconds;
  const packet = Buffer.allocUnsafe(publishLength(view, version, 0, shared));
  writePublish(packet, 0, view, version, 0, shared);
  if (retain) return packet;
  if (version === 4) view.encodedV4 = packet;
  else view.encodedV5 = packet;
  return packet;
}

const shared = new DeliveryOptions();

/** Remaining length without properties. */
function bareLength(view: PublishView, qos: QoS): number {
  return view.topicEnd - view.topicStart + view.end - view.payloadStart + (qos === 0 ? 0 : 2);
}

function withProperties(bare: number, properties: number): number {
  return bare + varintLength(properties) + properties;
}

/** Bytes of the properties, their length field not included. */
function propertiesLength(view: PublishView, options: DeliveryOptions): number {
  let length = forwardableContentLength(view);
  if (options.messageExpiryIntervalSeconds >= 0) length += 5;
  const identifiers = options.subscriptionIdentifiers;
  for (let i = 0; i < identifiers.length; i++) {
    length += 1 + varintLength(identifiers[i] as number);
  }
  return length;
}

function writeProperties(
  out: Buffer,
  offset: number,
  view: PublishView,
  options: DeliveryOptions,
  length: number,
): number {
  let at = writeVarint(out, offset, length);
  at = writeForwardableContent(out, at, view);
  const expiry = options.messageExpiryIntervalSeconds;
  if (expiry >= 0) {
    out[at] = MESSAGE_EXPIRY_INTERVAL;
    out[at + 1] = expiry >>> 24;
    out[at + 2] = expiry >>> 16;
    out[at + 3] = expiry >>> 8;
    out[at + 4] = expiry;
    at += 5;
  }
  const identifiers = options.subscriptionIdentifiers;
  for (let i = 0; i < identifiers.length; i++) {
    out[at] = SUBSCRIPTION_IDENTIFIER;
    at = writeVarint(out, at + 1, identifiers[i] as number);
  }
  return at;
}
