/**
 * PUBLISH — offsets into the read buffer, nothing copied (design §11).
 *
 *     topicLength u16 | topic | packetIdentifier u16 (QoS ≥ 1) | properties (5.0) | payload
 *
 * Cost: one look at each byte of the topic and of MQTT 5 properties; none at the payload.
 */
import type { QoS } from './packet.ts';
import { decodePublishProperties } from './publish-properties.ts';
import type { PublishView } from './publish-view.ts';
import { validateTopicName } from './topic.ts';
import type { Violation } from './violation.ts';

/**
 * Points `view` at the packet whose first byte is `first` and whose body is `[at, end)`. An empty
 * topic passes when an alias is there: the decoder puts the topic in.
 */
export function decodePublish(
  view: PublishView,
  b: Buffer,
  first: number,
  at: number,
  end: number,
  version: 4 | 5,
): Violation | undefined {
  if (at + 2 > end) return 'cut';
  const topicEnd = at + 2 + (((b[at] as number) << 8) | (b[at + 1] as number));
  const qos = (first >> 1) & 3;
  let next = qos === 0 ? topicEnd : topicEnd + 2;
  if (next > end) return 'cut';
  const topicFault = validateTopicName(b, at + 2, topicEnd);
  if (topicFault !== undefined && topicFault !== 'topic_empty') return topicFault;
  let packetIdentifier = 0;
  if (qos !== 0) {
    packetIdentifier = ((b[topicEnd] as number) << 8) | (b[topicEnd + 1] as number);
    if (packetIdentifier === 0) return 'identifier_zero';
  }
  view.buffer = b;
  view.topicStart = at;
  view.topicEnd = topicEnd;
  view.propertiesStart = next;
  view.end = end;
  view.qos = qos as QoS;
  view.retain = (first & 0x01) !== 0;
  view.dup = (first & 0x08) !== 0;
  view.packetIdentifier = packetIdentifier;
  view.topicAlias = 0;
  view.messageExpiryIntervalSeconds = -1;
  view.propertiesForwardable = true;
  view.expiresAtSeconds = 0;
  view.publisherConnection = 0;
  view.encodedV4 = undefined;
  view.encodedV5 = undefined;
  if (version === 5) {
    if (next >= end) return 'property_length';
    if (b[next] === 0) next++;
    else {
      const violation = decodePublishProperties(view, b, next, end);
      if (violation !== undefined) return violation;
      next = view.payloadStart;
    }
  }
  view.payloadStart = next;
  return topicFault !== undefined && view.topicAlias === 0 ? 'topic_empty' : undefined;
}

/** What the flags of a PUBLISH say that must not be. */
export function publishFlagsViolation(first: number): Violation | undefined {
  const qos = first & 0x06;
  if (qos === 0x06) return 'publish_qos_3';
  return qos === 0 && (first & 0x08) !== 0 ? 'publish_dup_qos_0' : undefined;
}
