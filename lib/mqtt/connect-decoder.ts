/**
 * CONNECT of MQTT 3.1.1 and 5.0, and the refusal of all other protocols.
 *
 *     name | level u8 | flags u8 | keepAlive u16 | properties (5.0)
 *     clientIdentifier | will: properties (5.0), topic, payload | userName | password
 *
 * Order of checks: name, level, flags, then the payload; so a client of another level is told so
 * even if the rest of its packet cannot be read.
 */
import type { ByteReader } from './byte-reader.ts';
import {
  SESSION_NEVER_EXPIRES,
  type ConnectPacket,
  type ProtocolVersion,
  type QoS,
  type Will,
} from './packet.ts';
import { PropertySet, readProperties } from './properties.ts';
import {
  AUTHENTICATION_DATA,
  AUTHENTICATION_METHOD,
  IN_CONNECT,
  IN_WILL,
  MAXIMUM_PACKET_SIZE,
  MESSAGE_EXPIRY_INTERVAL,
  RECEIVE_MAXIMUM,
  REQUEST_PROBLEM_INFORMATION,
  REQUEST_RESPONSE_INFORMATION,
  SESSION_EXPIRY_INTERVAL,
  TOPIC_ALIAS_MAXIMUM,
  WILL_DELAY_INTERVAL,
} from './property-table.ts';
import { willPublishProperties } from './will-properties.ts';
import { validateTopicName } from './topic.ts';

const CLEAN_START = 0x02;
const WILL_FLAG = 0x04;
const WILL_RETAIN = 0x20;
const PASSWORD_FLAG = 0x40;
const USER_NAME_FLAG = 0x80;

/**
 * The version that a refusal of this level is answered in: MQTT 3.x clients read a CONNACK of two
 * bytes. Bridges set bit 7 of the level.
 */
function answerVersion(level: number): ProtocolVersion {
  return (level & 0x7f) < 5 ? 4 : 5;
}

/**
 * Reads name and level. Returns the version to go on or to answer in; 0 = close without an answer.
 * The reader has failed when it is not to be served.
 */
export function readProtocol(reader: ByteReader): 0 | ProtocolVersion {
  const name = reader.text('connect_cut', 'protocol_name', 'protocol_name');
  const isMqtt = name === 'MQTT';
  if (!isMqtt && name !== 'MQIsdp') reader.fail('protocol_name');
  const level = reader.u8('connect_cut');
  if (reader.violation !== undefined) return 0;
  if (isMqtt && (level === 4 || level === 5)) return level;
  reader.fail('protocol_level');
  return answerVersion(level);
}

/** Reads what follows the level. Not to be used when the reader has failed. */
export function decodeConnect(reader: ByteReader, version: ProtocolVersion): ConnectPacket {
  const flags = reader.u8('connect_cut');
  checkFlags(reader, flags, version);
  const keepAliveSeconds = reader.u16('connect_cut');
  const properties = version === 5 ? readProperties(reader, IN_CONNECT) : new PropertySet();
  const clientIdentifier = reader.text(
    'client_identifier_missing',
    'client_identifier_utf8',
    'utf8_zero',
  );
  const cleanStart = (flags & CLEAN_START) !== 0;
  const will = (flags & WILL_FLAG) === 0 ? undefined : decodeWill(reader, flags, version);
  const userName =
    (flags & USER_NAME_FLAG) === 0
      ? undefined
      : reader.text('user_name_missing', 'user_name_utf8', 'utf8_zero');
  const password = (flags & PASSWORD_FLAG) === 0 ? undefined : reader.binary('password_missing');
  if (reader.more) failLeftOver(reader, flags);
  if (version === 4 && clientIdentifier === '' && !cleanStart) {
    reader.fail('client_identifier_empty');
  }
  const absentExpiry = version === 4 && !cleanStart ? SESSION_NEVER_EXPIRES : 0;
  return {
    kind: 'connect',
    protocolVersion: version,
    cleanStart,
    keepAliveSeconds,
    clientIdentifier,
    userName,
    password,
    will,
    sessionExpiryIntervalSeconds: properties.number(SESSION_EXPIRY_INTERVAL, absentExpiry),
    receiveMaximum: properties.number(RECEIVE_MAXIMUM, 65_535),
    maximumPacketSize: properties.number(MAXIMUM_PACKET_SIZE, 0xffffffff),
    topicAliasMaximum: properties.number(TOPIC_ALIAS_MAXIMUM, 0),
    requestResponseInformation: properties.number(REQUEST_RESPONSE_INFORMATION, 0) === 1,
    requestProblemInformation: properties.number(REQUEST_PROBLEM_INFORMATION, 1) === 1,
    authenticationMethod: properties.text(AUTHENTICATION_METHOD),
    authenticationData: properties.binary(AUTHENTICATION_DATA),
    userProperties: properties.userProperties,
  };
}

function checkFlags(reader: ByteReader, flags: number, version: ProtocolVersion): void {
  const willQoS = (flags >> 3) & 3;
  if ((flags & 1) !== 0) reader.fail('connect_flag_reserved');
  if ((flags & WILL_FLAG) === 0) {
    if (willQoS !== 0) reader.fail('will_qos_alone');
    if ((flags & WILL_RETAIN) !== 0) reader.fail('will_retain_alone');
  } else if (willQoS === 3) reader.fail('will_qos_3');
  const passwordAlone = (flags & (USER_NAME_FLAG | PASSWORD_FLAG)) === PASSWORD_FLAG;
  if (version === 4 && passwordAlone) reader.fail('password_alone');
}

function decodeWill(reader: ByteReader, flags: number, version: ProtocolVersion): Will {
  const propertiesStart = reader.at;
  const properties = version === 5 ? readWillProperties(reader) : new PropertySet();
  const propertiesEnd = reader.at;
  const topic = reader.text('will_missing', 'will_topic_utf8', 'utf8_zero');
  checkWillTopic(reader, topic);
  return {
    topic,
    payload: reader.binary('will_missing'),
    qos: ((flags >> 3) & 3) as QoS,
    retain: (flags & WILL_RETAIN) !== 0,
    willDelayIntervalSeconds: properties.number(WILL_DELAY_INTERVAL, 0),
    messageExpiryIntervalSeconds: properties.number(MESSAGE_EXPIRY_INTERVAL, -1),
    publishProperties: willPublishProperties(reader, propertiesStart, propertiesEnd),
  };
}

function readWillProperties(reader: ByteReader): PropertySet {
  if (!reader.more) reader.fail('will_missing');
  return readProperties(reader, IN_WILL);
}

function checkWillTopic(reader: ByteReader, topic: string): void {
  if (reader.violation !== undefined) return;
  const fault = validateTopicName(reader.buffer, reader.at - Buffer.byteLength(topic), reader.at);
  if (fault === 'topic_empty') reader.fail('will_topic_empty');
  if (fault === 'topic_wildcard') reader.fail('will_topic_wildcard');
}

function failLeftOver(reader: ByteReader, flags: number): void {
  if ((flags & PASSWORD_FLAG) === 0) {
    reader.fail((flags & USER_NAME_FLAG) === 0 ? 'user_name_extra' : 'password_extra');
  }
  reader.fail('connect_left_over');
}
