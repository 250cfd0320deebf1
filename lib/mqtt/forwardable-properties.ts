/**
 * Forwardable properties — a PUBLISH's property bytes without what ends at this hop.
 *
 * Topic Alias belongs to one connection and Message Expiry Interval is kept as an absolute time, so
 * both are left out of what the log stores and a receiver gets; everything else is copied in order
 * ([MQTT-3.3.2-18]). When `propertiesForwardable` is true the bytes go as they are. The decoder has
 * checked them, so the walk cannot run out of them.
 */
import { copyBytes } from './copy-bytes.ts';
import {
  MESSAGE_EXPIRY_INTERVAL,
  PAYLOAD_FORMAT_INDICATOR,
  SUBSCRIPTION_IDENTIFIER,
  TOPIC_ALIAS,
  USER_PROPERTY,
} from './property-table.ts';
import type { PublishView } from './publish-view.ts';
import { afterVarint, varintLength, writeVarint } from './varint.ts';

/** Bytes of the properties as stored: their length field included. */
export function forwardablePropertiesLength(view: PublishView): number {
  const content = forwardableContentLength(view);
  return varintLength(content) + content;
}

/** Writes them at `at`, length field first; returns one past the end. */
export function writeForwardableProperties(out: Buffer, at: number, view: PublishView): number {
  const content = forwardableContentLength(view);
  if (content === 0) {
    out[at] = 0;
    return at + 1;
  }
  return writeForwardableContent(out, writeVarint(out, at, content), view);
}

/** The same without the length field. */
export function forwardableContentLength(view: PublishView): number {
  const { buffer, payloadStart, propertiesStart } = view;
  // Usual cases: 3.1.1, or a single byte 00.
  if (payloadStart - propertiesStart < 2) return 0;
  let at = afterVarint(buffer, propertiesStart);
  if (view.propertiesForwardable) return payloadStart - at;
  let kept = 0;
  while (at < payloadStart) {
    const length = propertyLength(buffer, at);
    if (!endsAtThisHop(buffer[at])) kept += length;
    at += length;
  }
  return kept;
}

/** Writes them at `offset` without a length field; returns one past the end. */
export function writeForwardableContent(out: Buffer, offset: number, view: PublishView): number {
  const { buffer, payloadStart, propertiesStart } = view;
  if (payloadStart - propertiesStart < 2) return offset;
  let from = afterVarint(buffer, propertiesStart);
  if (view.propertiesForwardable) return copyBytes(out, offset, buffer, from, payloadStart);
  let to = offset;
  while (from < payloadStart) {
    const next = from + propertyLength(buffer, from);
    if (!endsAtThisHop(buffer[from])) to = copyBytes(out, to, buffer, from, next);
    from = next;
  }
  return to;
}

function endsAtThisHop(identifier: number | undefined): boolean {
  return identifier === TOPIC_ALIAS || identifier === MESSAGE_EXPIRY_INTERVAL;
}

/** Length of one PUBLISH property, its identifier included. */
function propertyLength(b: Buffer, at: number): number {
  switch (b[at]) {
    case PAYLOAD_FORMAT_INDICATOR:
      return 2;
    case MESSAGE_EXPIRY_INTERVAL:
      return 5;
    case TOPIC_ALIAS:
      return 3;
    case SUBSCRIPTION_IDENTIFIER:
      return afterVarint(b, at + 1) - at;
    case USER_PROPERTY: {
      const name = 2 + b.readUInt16BE(at + 1);
      return 1 + name + 2 + b.readUInt16BE(at + 1 + name);
    }
    default:
      return 3 + b.readUInt16BE(at + 1);
  }
}
