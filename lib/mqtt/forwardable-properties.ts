/**
 * Forwardable properties — a PUBLISH's property bytes without what ends at this hop.
 *
 * Topic Alias belongs to one connection and Message Expiry Interval is kept as an absolute time, so
 * both are left out of what the log stores and a receiver gets; everything else is copied in order
 * ([MQTT-3.3.2-17] user properties keep their order). Only called when `propertiesForwardable` is
 * false; the decoder has validated the bytes, so the walk cannot run out of them.
 */
import type { PublishView } from './publish-view.ts';

const TOPIC_ALIAS = 0x23;
const MESSAGE_EXPIRY_INTERVAL = 0x02;

/** Bytes of the properties as stored: their length field included. */
export function forwardablePropertiesLength(view: PublishView): number {
  if (view.propertiesStart === view.payloadStart) return 1;
  if (view.propertiesForwardable) return view.payloadStart - view.propertiesStart;
  const kept = keptLength(view);
  return varintLength(kept) + kept;
}

/** Writes them at `at`, length field first; returns one past the end. */
export function writeForwardableProperties(out: Buffer, at: number, view: PublishView): number {
  if (view.propertiesStart === view.payloadStart) {
    out[at] = 0;
    return at + 1;
  }
  if (view.propertiesForwardable) {
    return at + view.buffer.copy(out, at, view.propertiesStart, view.payloadStart);
  }
  let to = writeVarint(out, at, keptLength(view));
  const { buffer, payloadStart } = view;
  let from = afterVarint(buffer, view.propertiesStart);
  while (from < payloadStart) {
    const next = from + propertyLength(buffer, from);
    if (!endsAtThisHop(buffer[from])) to += buffer.copy(out, to, from, next);
    from = next;
  }
  return to;
}

function keptLength(view: PublishView): number {
  const { buffer, payloadStart } = view;
  let at = afterVarint(buffer, view.propertiesStart);
  let kept = 0;
  while (at < payloadStart) {
    const length = propertyLength(buffer, at);
    if (!endsAtThisHop(buffer[at])) kept += length;
    at += length;
  }
  return kept;
}

function endsAtThisHop(identifier: number | undefined): boolean {
  return identifier === TOPIC_ALIAS || identifier === MESSAGE_EXPIRY_INTERVAL;
}

/** Length of one PUBLISH property, its identifier included. */
function propertyLength(b: Buffer, at: number): number {
  switch (b[at]) {
    case 0x01:
      return 2;
    case MESSAGE_EXPIRY_INTERVAL:
      return 5;
    case TOPIC_ALIAS:
      return 3;
    case 0x0b:
      return afterVarint(b, at + 1) - at;
    case 0x26: {
      const name = 2 + b.readUInt16BE(at + 1);
      return 1 + name + 2 + b.readUInt16BE(at + 1 + name);
    }
    default:
      return 3 + b.readUInt16BE(at + 1);
  }
}

function afterVarint(b: Buffer, at: number): number {
  let i = at;
  while (((b[i] as number) & 0x80) !== 0) i++;
  return i + 1;
}

function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x200000 ? 3 : 4;
}

function writeVarint(out: Buffer, at: number, value: number): number {
  let rest = value;
  let i = at;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    out[i++] = rest > 0 ? low | 0x80 : low;
  } while (rest > 0);
  return i;
}
