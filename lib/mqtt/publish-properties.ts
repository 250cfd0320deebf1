/**
 * Properties of a client's PUBLISH — checked in place, nothing is copied out.
 *
 * Fills alias, expiry and `propertiesForwardable` of the view; all other properties go on as bytes
 * ([MQTT-3.3.2-4], -15, -16, -17, -18, -20). Grammar: see properties.ts.
 */
import {
  CONTENT_TYPE,
  CORRELATION_DATA,
  MESSAGE_EXPIRY_INTERVAL,
  PAYLOAD_FORMAT_INDICATOR,
  RESPONSE_TOPIC,
  SUBSCRIPTION_IDENTIFIER,
  TOPIC_ALIAS,
  USER_PROPERTY,
} from './property-table.ts';
import type { PublishView } from './publish-view.ts';
import { validateTopicName } from './topic.ts';
import { utf8Fault } from './utf8.ts';
import type { Violation } from './violation.ts';

/** Checks the properties whose length field stands at `at`; sets `view.payloadStart`. */
export function decodePublishProperties(
  view: PublishView,
  b: Buffer,
  at: number,
  end: number,
): Violation | undefined {
  let i = at;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    if (i >= end) return 'property_length';
    if (shift > 21) return 'property_varint';
    const byte = b[i++] as number;
    length |= (byte & 0x7f) << shift;
    if (byte > 0x7f) continue;
    if (byte === 0 && shift > 0) return 'property_varint';
    break;
  }
  const stop = i + length;
  if (stop > end) return 'property_length';
  view.payloadStart = stop;
  return walk(view, b, i, stop);
}

function walk(view: PublishView, b: Buffer, start: number, stop: number): Violation | undefined {
  let i = start;
  /** Bit per identifier below 32, and bit 0 for the alias: what stood already. */
  let seen = 0;
  while (i < stop) {
    const identifier = b[i] as number;
    const next = i + valueLength(b, i + 1, stop, identifier);
    if (next <= i) return refusal(identifier);
    if (next > stop) return 'property_length';
    if (identifier !== USER_PROPERTY) {
      const bit = identifier === TOPIC_ALIAS ? 1 : 1 << identifier;
      if ((seen & bit) !== 0) return 'property_twice';
      seen |= bit;
    }
    const violation = checkValue(view, b, i + 1, next, identifier);
    if (violation !== undefined) return violation;
    i = next;
  }
  return undefined;
}

function refusal(identifier: number): Violation {
  return identifier === SUBSCRIPTION_IDENTIFIER
    ? 'publish_subscription_identifier'
    : 'property_unknown';
}

/** Length of identifier and value; beyond `stop` when cut; -1 when it may not stand here. */
function valueLength(b: Buffer, at: number, stop: number, identifier: number): number {
  switch (identifier) {
    case PAYLOAD_FORMAT_INDICATOR:
      return 2;
    case TOPIC_ALIAS:
      return 3;
    case MESSAGE_EXPIRY_INTERVAL:
      return 5;
    case CONTENT_TYPE:
    case RESPONSE_TOPIC:
    case CORRELATION_DATA:
      return 1 + fieldLength(b, at, stop);
    case USER_PROPERTY: {
      const name = fieldLength(b, at, stop);
      return 1 + name + fieldLength(b, at + name, stop);
    }
    default:
      return -1;
  }
}

/** Bytes of a u16 length and what it counts; where it is cut, so many that `stop` is passed. */
function fieldLength(b: Buffer, at: number, stop: number): number {
  if (at + 2 > stop) return stop - at + 3;
  return 2 + (((b[at] as number) << 8) | (b[at + 1] as number));
}

function checkValue(
  view: PublishView,
  b: Buffer,
  at: number,
  end: number,
  identifier: number,
): Violation | undefined {
  switch (identifier) {
    case PAYLOAD_FORMAT_INDICATOR:
      return (b[at] as number) > 1 ? 'property_value' : undefined;
    case TOPIC_ALIAS:
      view.topicAlias = b.readUInt16BE(at);
      view.propertiesForwardable = false;
      return view.topicAlias === 0 ? 'alias_zero' : undefined;
    case MESSAGE_EXPIRY_INTERVAL:
      view.messageExpiryIntervalSeconds = b.readUInt32BE(at);
      view.propertiesForwardable = false;
      return undefined;
    case CONTENT_TYPE:
      return textFault(b, at + 2, end, 'content_type_utf8');
    case RESPONSE_TOPIC:
      return responseTopicFault(b, at + 2, end);
    case USER_PROPERTY: {
      const nameEnd = at + 2 + b.readUInt16BE(at);
      return (
        textFault(b, at + 2, nameEnd, 'user_property_utf8') ??
        textFault(b, nameEnd + 2, end, 'user_property_utf8')
      );
    }
    default:
      return undefined;
  }
}

function textFault(
  b: Buffer,
  start: number,
  end: number,
  violation: Violation,
): Violation | undefined {
  return utf8Fault(b, start, end) === undefined ? undefined : violation;
}

function responseTopicFault(b: Buffer, start: number, end: number): Violation | undefined {
  const fault = validateTopicName(b, start, end);
  if (fault === undefined) return undefined;
  return fault === 'topic_utf8' || fault === 'topic_zero'
    ? 'response_topic_utf8'
    : 'response_topic';
}
