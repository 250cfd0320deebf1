/**
 * SUBSCRIBE and UNSUBSCRIBE.
 *
 *     packetIdentifier u16 | properties (5.0) | ( topicFilter | options u8 ) × 1…n
 *     packetIdentifier u16 | properties (5.0) | topicFilter × 1…n
 *
 * Options: bits 0–1 QoS; in 5.0 also 2 No Local, 3 Retain As Published, 4–5 Retain Handling. A
 *          filter
 * with wrong wildcards passes: the answer to it is a code in SUBACK, not the end of the
 * connection.
 */
import type { ByteReader } from './byte-reader.ts';
import type {
  ProtocolVersion,
  QoS,
  SubscribePacket,
  SubscriptionRequest,
  UnsubscribePacket,
} from './packet.ts';
import { PropertySet, readProperties } from './properties.ts';
import { IN_SUBSCRIBE, IN_UNSUBSCRIBE, SUBSCRIPTION_IDENTIFIER } from './property-table.ts';
import { isSharedFilter } from './topic.ts';
import type { Violation } from './violation.ts';

const NO_LOCAL = 0x04;
const RETAIN_AS_PUBLISHED = 0x08;

export function decodeSubscribe(reader: ByteReader, version: ProtocolVersion): SubscribePacket {
  const packetIdentifier = readPacketIdentifier(reader);
  const properties = version === 5 ? readProperties(reader, IN_SUBSCRIBE) : new PropertySet();
  const subscriptions: SubscriptionRequest[] = [];
  if (!reader.more) reader.fail('subscribe_empty');
  while (reader.more) {
    const topicFilter = readFilter(reader, 'subscribe_utf8');
    subscriptions.push(readOptions(reader, topicFilter, version));
  }
  return {
    kind: 'subscribe',
    packetIdentifier,
    subscriptionIdentifier: properties.number(SUBSCRIPTION_IDENTIFIER, 0),
    subscriptions,
    userProperties: properties.userProperties,
  };
}

export function decodeUnsubscribe(reader: ByteReader, version: ProtocolVersion): UnsubscribePacket {
  const packetIdentifier = readPacketIdentifier(reader);
  const properties = version === 5 ? readProperties(reader, IN_UNSUBSCRIBE) : new PropertySet();
  const topicFilters: string[] = [];
  if (!reader.more) reader.fail('unsubscribe_empty');
  while (reader.more) topicFilters.push(readFilter(reader, 'unsubscribe_utf8'));
  return {
    kind: 'unsubscribe',
    packetIdentifier,
    topicFilters,
    userProperties: properties.userProperties,
  };
}

function readPacketIdentifier(reader: ByteReader): number {
  const packetIdentifier = reader.u16('cut');
  if (packetIdentifier === 0) reader.fail('identifier_zero');
  return packetIdentifier;
}

function readFilter(reader: ByteReader, illFormed: Violation): string {
  const filter = reader.text('cut', illFormed, 'filter_zero');
  if (filter === '') reader.fail('filter_empty');
  return filter;
}

function readOptions(
  reader: ByteReader,
  topicFilter: string,
  version: ProtocolVersion,
): SubscriptionRequest {
  const options = reader.u8('cut');
  const qos = options & 3;
  const retainHandling = (options >> 4) & 3;
  const noLocal = (options & NO_LOCAL) !== 0;
  if ((options & (version === 4 ? 0xfc : 0xc0)) !== 0) reader.fail('subscribe_options');
  if (qos === 3) reader.fail('subscribe_qos_3');
  if (retainHandling === 3) reader.fail('subscribe_retain_handling_3');
  if (noLocal && isSharedFilter(topicFilter)) reader.fail('subscribe_no_local_shared');
  return {
    topicFilter,
    qos: qos as QoS,
    noLocal,
    retainAsPublished: (options & RETAIN_AS_PUBLISHED) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}
