/**
 * lib/mqtt — MQTT 3.1.1 and 5.0 as bytes: a strict decoder of what clients send, encoders of what a
 * server sends. Pure: no sockets, no clock. Session rules are in lib/session.
 */
export {
  ACK_BYTES_MAX,
  encodeSuback,
  encodeUnsuback,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  writeAck,
  writePuback,
  type AckFirstByte,
  type AnswerProperties,
} from './ack-encoder.ts';
export { copyBytes } from './copy-bytes.ts';
export * from './connack-encoder.ts';
export * from './decoder.ts';
export * from './disconnect-encoder.ts';
export {
  forwardablePropertiesLength,
  writeForwardableProperties,
} from './forwardable-properties.ts';
export * from './last-topic.ts';
export * from './packet.ts';
export * from './publish-encoder.ts';
export * from './publish-view.ts';
export * from './topic.ts';
export { VIOLATIONS, type Violation } from './violation.ts';
