/**
 * Property table — MQTT 5 §2.2.2.2: identifier, type, and in which packets of a client it may
 * stand.
 *
 * PUBLISH has its own walk (publish-properties.ts), for speed; its properties are here for wills.
 */
export type PropertyType = 'byte' | 'u16' | 'u32' | 'varint' | 'text' | 'binary' | 'pair';

/** Where properties stand; bits of `PropertyRow.in`. */
export const IN_CONNECT = 1;
export const IN_WILL = 2;
export const IN_ACK = 4;
export const IN_SUBSCRIBE = 8;
export const IN_UNSUBSCRIBE = 16;
export const IN_DISCONNECT = 32;
export const IN_AUTH = 64;
export type PropertyPlace = 1 | 2 | 4 | 8 | 16 | 32 | 64;

export const PAYLOAD_FORMAT_INDICATOR = 0x01;
export const MESSAGE_EXPIRY_INTERVAL = 0x02;
export const CONTENT_TYPE = 0x03;
export const RESPONSE_TOPIC = 0x08;
export const CORRELATION_DATA = 0x09;
export const SUBSCRIPTION_IDENTIFIER = 0x0b;
export const SESSION_EXPIRY_INTERVAL = 0x11;
export const ASSIGNED_CLIENT_IDENTIFIER = 0x12;
export const SERVER_KEEP_ALIVE = 0x13;
export const AUTHENTICATION_METHOD = 0x15;
export const AUTHENTICATION_DATA = 0x16;
export const REQUEST_PROBLEM_INFORMATION = 0x17;
export const WILL_DELAY_INTERVAL = 0x18;
export const REQUEST_RESPONSE_INFORMATION = 0x19;
export const RESPONSE_INFORMATION = 0x1a;
export const SERVER_REFERENCE = 0x1c;
export const REASON_STRING = 0x1f;
export const RECEIVE_MAXIMUM = 0x21;
export const TOPIC_ALIAS_MAXIMUM = 0x22;
export const TOPIC_ALIAS = 0x23;
export const MAXIMUM_QOS = 0x24;
export const RETAIN_AVAILABLE = 0x25;
export const USER_PROPERTY = 0x26;
export const MAXIMUM_PACKET_SIZE = 0x27;
export const WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28;
export const SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29;
export const SHARED_SUBSCRIPTION_AVAILABLE = 0x2a;

export interface PropertyRow {
  readonly type: PropertyType;
  /** Places in a client's packets. */
  readonly in: number;
  /** Range of an integer; default any. */
  readonly min?: number;
  readonly max?: number;
}

const EVERYWHERE =
  IN_CONNECT | IN_WILL | IN_ACK | IN_SUBSCRIBE | IN_UNSUBSCRIBE | IN_DISCONNECT | IN_AUTH;

/** Rows by identifier; what only a server sends has no place. */
export const PROPERTIES: readonly (PropertyRow | undefined)[] = table([
  [PAYLOAD_FORMAT_INDICATOR, { type: 'byte', in: IN_WILL, max: 1 }],
  [MESSAGE_EXPIRY_INTERVAL, { type: 'u32', in: IN_WILL }],
  [CONTENT_TYPE, { type: 'text', in: IN_WILL }],
  [RESPONSE_TOPIC, { type: 'text', in: IN_WILL }],
  [CORRELATION_DATA, { type: 'binary', in: IN_WILL }],
  [SUBSCRIPTION_IDENTIFIER, { type: 'varint', in: IN_SUBSCRIBE }],
  [SESSION_EXPIRY_INTERVAL, { type: 'u32', in: IN_CONNECT | IN_DISCONNECT }],
  [AUTHENTICATION_METHOD, { type: 'text', in: IN_CONNECT | IN_AUTH }],
  [AUTHENTICATION_DATA, { type: 'binary', in: IN_CONNECT | IN_AUTH }],
  [REQUEST_PROBLEM_INFORMATION, { type: 'byte', in: IN_CONNECT, max: 1 }],
  [WILL_DELAY_INTERVAL, { type: 'u32', in: IN_WILL }],
  [REQUEST_RESPONSE_INFORMATION, { type: 'byte', in: IN_CONNECT, max: 1 }],
  [REASON_STRING, { type: 'text', in: IN_ACK | IN_DISCONNECT | IN_AUTH }],
  [RECEIVE_MAXIMUM, { type: 'u16', in: IN_CONNECT, min: 1 }],
  [TOPIC_ALIAS_MAXIMUM, { type: 'u16', in: IN_CONNECT }],
  [USER_PROPERTY, { type: 'pair', in: EVERYWHERE }],
  [MAXIMUM_PACKET_SIZE, { type: 'u32', in: IN_CONNECT, min: 1 }],
]);

function table(rows: readonly (readonly [number, PropertyRow])[]): (PropertyRow | undefined)[] {
  const byIdentifier: (PropertyRow | undefined)[] = Array.from({ length: 0x2b });
  for (const [identifier, row] of rows) byIdentifier[identifier] = row;
  return byIdentifier;
}
