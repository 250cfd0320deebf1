/** Messages as a gateway logs them, for tests of the router: views, records. */
import { type ExactlyOnceKey, messageLength, RecordBuilder, RECORD_HEADER_BYTES } from '#log';
import { PublishView } from '#mqtt';

export interface TestMessage {
  readonly topic: string;
  readonly payload?: string | Buffer;
  readonly qos?: 0 | 1;
  /** Exactly-once key: the message is of QoS 2. */
  readonly key?: ExactlyOnceKey;
  /** Absent: MQTT 3.1.1. */
  readonly properties?: {
    readonly isText?: boolean;
    readonly contentType?: string;
    readonly user?: readonly (readonly [string, string])[];
    readonly responseTopic?: string;
    readonly correlationData?: Buffer;
  };
}

function field(bytes: string | Buffer): Buffer {
  const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  const out = Buffer.alloc(2 + content.length);
  out.writeUInt16BE(content.length);
  content.copy(out, 2);
  return out;
}

function encodeProperties(properties: NonNullable<TestMessage['properties']>): Buffer {
  const parts: Buffer[] = [];
  const { isText, contentType, user = [], responseTopic, correlationData } = properties;
  if (responseTopic !== undefined) parts.push(Buffer.from([0x08]), field(responseTopic));
  if (correlationData !== undefined) parts.push(Buffer.from([0x09]), field(correlationData));
  if (isText !== undefined) parts.push(Buffer.from([0x01, isText ? 1 : 0]));
  for (const [name, value] of user) parts.push(Buffer.from([0x26]), field(name), field(value));
  if (contentType !== undefined) parts.push(Buffer.from([0x03]), field(contentType));
  const body = Buffer.concat(parts);
  const length: number[] = [];
  let rest = body.length;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    length.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(length), body]);
}

export function viewOf(message: TestMessage): PublishView {
  const { topic, payload = '', qos = 1, properties } = message;
  const head = field(topic);
  const props = properties === undefined ? Buffer.alloc(0) : encodeProperties(properties);
  const view = new PublishView();
  view.buffer = Buffer.concat([head, props, Buffer.from(payload)]);
  view.topicEnd = head.length;
  view.propertiesStart = head.length;
  view.payloadStart = head.length + props.length;
  view.end = view.buffer.length;
  view.qos = message.key === undefined ? qos : 2;
  return view;
}

let records = 0;

/** One log record with these messages, or releases of keys. */
export function recordOf(
  messages: readonly (TestMessage | { readonly release: ExactlyOnceKey })[],
  closedAtMs: number,
): Buffer {
  const builder = new RecordBuilder();
  for (const message of messages) {
    if ('release' in message) {
      builder.addRelease(message.release);
      continue;
    }
    const { key } = message;
    const view = viewOf(message);
    builder.add(view, messageLength(view, key), 0, 1, message.qos === 0, key);
  }
  return builder.take(++records, closedAtMs);
}

/** The bytes of one message in a record, its length field included. */
export function messageBytes(message: TestMessage): Buffer {
  return recordOf([message], 0).subarray(RECORD_HEADER_BYTES);
}
