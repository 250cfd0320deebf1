/**
 * The four acknowledgements of a publication, and the two packets that end or prove a session.
 *
 *     PUBACK, PUBREC, PUBREL, PUBCOMP := packetIdentifier u16 [ reasonCode u8 [ properties ] ]
 *     DISCONNECT := [ reasonCode u8 [ properties ] ]      AUTH := reasonCode u8 | properties
 *
 * What stands in brackets is MQTT 5 only. Two bytes of an acknowledgement are the usual case.
 */
import type { ByteReader } from './byte-reader.ts';
import type { AckKind, AckPacket, AuthPacket, DisconnectPacket } from './packet.ts';
import { PropertySet, readProperties } from './properties.ts';
import {
  AUTHENTICATION_DATA,
  AUTHENTICATION_METHOD,
  IN_ACK,
  IN_AUTH,
  IN_DISCONNECT,
  REASON_STRING,
  SESSION_EXPIRY_INTERVAL,
} from './property-table.ts';
import type { Violation } from './violation.ts';

interface AckRow {
  readonly kind: AckKind;
  readonly codes: ReadonlySet<number>;
  readonly wrongCode: Violation;
}

const RECEIVED = new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
const RELEASED = new Set([0x00, 0x92]);

/** By packet type, 4…7. */
const ACKS: readonly AckRow[] = [
  { kind: 'puback', codes: RECEIVED, wrongCode: 'puback_code' },
  { kind: 'pubrec', codes: RECEIVED, wrongCode: 'pubrec_code' },
  { kind: 'pubrel', codes: RELEASED, wrongCode: 'pubrel_code' },
  { kind: 'pubcomp', codes: RELEASED, wrongCode: 'pubcomp_code' },
];

/** Codes that a client may send in DISCONNECT (MQTT 5 §3.14.2.1). */
const DISCONNECT_CODES = new Set([
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
]);

/** Fills `ack` from `[at, end)`. `reader` is used for MQTT 5's longer forms only. */
export function decodeAck(
  ack: AckPacket,
  packetType: number,
  b: Buffer,
  at: number,
  end: number,
  version: 4 | 5,
  reader: ByteReader,
): Violation | undefined {
  const row = ACKS[packetType - 4];
  if (row === undefined || end - at < 2) return 'cut';
  ack.kind = row.kind;
  ack.packetIdentifier = ((b[at] as number) << 8) | (b[at + 1] as number);
  ack.reasonCode = 0;
  if (ack.packetIdentifier === 0) return 'ack_identifier_zero';
  if (end - at === 2) return undefined;
  if (version === 4) return 'left_over';
  ack.reasonCode = b[at + 2] as number;
  if (!row.codes.has(ack.reasonCode)) return row.wrongCode;
  if (end - at === 3) return undefined;
  reader.reset(b, at + 3, end);
  readProperties(reader, IN_ACK);
  if (reader.more) reader.fail('left_over');
  return reader.violation;
}

/** `expiryWasZero`: CONNECT's session expiry interval, which may not be raised from 0 here. */
export function decodeDisconnect(
  reader: ByteReader,
  version: 4 | 5,
  expiryWasZero: boolean,
): DisconnectPacket {
  const reasonCode = version === 5 && reader.more ? reader.u8('cut') : 0;
  if (!DISCONNECT_CODES.has(reasonCode)) reader.fail('disconnect_code');
  const hasProperties = version === 5 && reader.more;
  const properties = hasProperties ? readProperties(reader, IN_DISCONNECT) : new PropertySet();
  if (reader.more) reader.fail('left_over');
  const expiry = properties.number(SESSION_EXPIRY_INTERVAL, -1);
  if (expiry > 0 && expiryWasZero) reader.fail('disconnect_expiry');
  return {
    kind: 'disconnect',
    reasonCode,
    sessionExpiryIntervalSeconds: expiry,
    reasonString: properties.text(REASON_STRING),
    userProperties: properties.userProperties,
  };
}

/** `method`: the one that CONNECT named. */
export function decodeAuth(reader: ByteReader, method: string | undefined): AuthPacket {
  if (method === undefined) reader.fail('auth_without_method');
  if (!reader.more) reader.fail('auth_method_missing');
  const reasonCode = reader.u8('cut');
  if (reasonCode !== 0x18 && reasonCode !== 0x19) reader.fail('auth_code');
  if (!reader.more) reader.fail('auth_method_missing');
  const properties = readProperties(reader, IN_AUTH);
  if (reader.more) reader.fail('left_over');
  const named = properties.text(AUTHENTICATION_METHOD);
  if (named === undefined) reader.fail('auth_method_missing');
  else if (named !== method) reader.fail('auth_method_changed');
  return {
    kind: 'auth',
    reasonCode: reasonCode === 0x19 ? 0x19 : 0x18,
    authenticationMethod: named ?? '',
    authenticationData: properties.binary(AUTHENTICATION_DATA),
    reasonString: properties.text(REASON_STRING),
    userProperties: properties.userProperties,
  };
}
