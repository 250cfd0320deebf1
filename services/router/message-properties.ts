/**
 * MQTT 5 properties of a logged message, as far as events need them.
 *
 * The gateway validated the bytes and left out Topic Alias and Message Expiry Interval
 * (proto/wire/record.md), so the walk trusts lengths and meets six identifiers.
 */
import type { PublishView } from '#mqtt';

const PAYLOAD_FORMAT_INDICATOR = 0x01;
const MESSAGE_EXPIRY_INTERVAL = 0x02;
const CONTENT_TYPE = 0x03;
const SUBSCRIPTION_IDENTIFIER = 0x0b;
const USER_PROPERTY = 0x26;

export interface MessageProperties {
  /** Payload Format Indicator 1: the publisher says that the payload is UTF-8 text. */
  readonly isText: boolean;
  readonly contentType: string | undefined;
  readonly userProperties: readonly (readonly [name: string, value: string])[];
}

const NONE: MessageProperties = { isText: false, contentType: undefined, userProperties: [] };

export function readMessageProperties(view: PublishView): MessageProperties {
  const { buffer: b, payloadStart: end } = view;
  let at = view.propertiesStart;
  if (at === end) return NONE;
  while ((b[at++] as number) >= 0x80);
  if (at === end) return NONE;
  let isText = false;
  let contentType: string | undefined;
  const userProperties: (readonly [string, string])[] = [];
  while (at < end) {
    const identifier = b[at++];
    if (identifier === PAYLOAD_FORMAT_INDICATOR) isText = b[at++] === 1;
    else if (identifier === MESSAGE_EXPIRY_INTERVAL) at += 4;
    else if (identifier === SUBSCRIPTION_IDENTIFIER) while ((b[at++] as number) >= 0x80);
    else if (identifier === USER_PROPERTY) {
      const valueAt = at + 2 + b.readUInt16BE(at);
      userProperties.push([textAt(b, at), textAt(b, valueAt)]);
      at = valueAt + 2 + b.readUInt16BE(valueAt);
    } else {
      if (identifier === CONTENT_TYPE) contentType = textAt(b, at);
      at += 2 + b.readUInt16BE(at);
    }
  }
  return { isText, contentType, userProperties };
}

function textAt(b: Buffer, at: number): string {
  return b.toString('utf8', at + 2, at + 2 + b.readUInt16BE(at));
}
