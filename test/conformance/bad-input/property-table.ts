/** Bad input made from MQTT 5's property table: foreign identifiers and cuts in each packet. */
import {
  ack,
  auth,
  connect,
  disconnect,
  field,
  properties,
  property,
  publish,
  subscribe,
  u16,
  u32,
  unsubscribe,
  userProperty,
  varint,
  type ConnectFields,
} from '../../fixtures/mqtt-client-encoder.ts';
import { ANY5, bad, badConnect, MALFORMED, type BadInput, type Verdict } from './row.ts';

const OK = Buffer.from([0]);
const METHOD = property(0x15, field('M'));

interface Packet {
  readonly name: string;
  /** Identifiers that a client may send here, besides the user property. */
  readonly allowed: readonly number[];
  readonly bytes: (list: Buffer) => Buffer;
  readonly connect?: ConnectFields;
  readonly first?: true;
}

const PACKETS: readonly Packet[] = [
  {
    name: 'CONNECT',
    allowed: [0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x27],
    bytes: (list) => connect(5, { properties: list }),
    first: true,
  },
  {
    name: 'will',
    allowed: [0x01, 0x02, 0x03, 0x08, 0x09, 0x18],
    bytes: (list) => connect(5, { will: { topic: 'w', properties: list } }),
    first: true,
  },
  {
    name: 'PUBLISH',
    // 0B is refused too, as a protocol error: see publish.ts.
    allowed: [0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23],
    bytes: (list) => publish(5, { properties: list }),
  },
  { name: 'PUBACK', allowed: [0x1f], bytes: (list) => ack('puback', 1, OK, list) },
  { name: 'PUBREC', allowed: [0x1f], bytes: (list) => ack('pubrec', 1, OK, list) },
  { name: 'PUBREL', allowed: [0x1f], bytes: (list) => ack('pubrel', 1, OK, list) },
  { name: 'PUBCOMP', allowed: [0x1f], bytes: (list) => ack('pubcomp', 1, OK, list) },
  {
    name: 'SUBSCRIBE',
    allowed: [0x0b],
    bytes: (list) => subscribe(5, [['a', 0]], { properties: list }),
  },
  {
    name: 'UNSUBSCRIBE',
    allowed: [],
    bytes: (list) => unsubscribe(5, ['a'], { properties: list }),
  },
  {
    name: 'DISCONNECT',
    allowed: [0x11, 0x1c, 0x1f],
    bytes: (list) => disconnect(OK, list),
    connect: { properties: properties(property(0x11, u32(60))) },
  },
  {
    name: 'AUTH',
    allowed: [0x15, 0x16, 0x1f],
    bytes: (list) => auth(0x19, list),
    connect: { properties: properties(METHOD) },
  },
];

/** A good value for each identifier that a client may send somewhere. */
const VALUES = new Map<number, Buffer>([
  [0x01, Buffer.from([1])],
  [0x02, u32(1)],
  [0x03, field('text')],
  [0x08, field('r')],
  [0x09, field('c')],
  [0x0b, varint(300)],
  [0x11, u32(1)],
  [0x15, field('M')],
  [0x17, Buffer.from([1])],
  [0x18, u32(1)],
  [0x19, Buffer.from([1])],
  [0x1f, field('why')],
  [0x21, u16(1)],
  [0x22, u16(1)],
  [0x27, u32(100)],
]);

function rowsOf(packet: Packet): BadInput[] {
  const row = (name: string, verdict: Verdict, list: Buffer): BadInput[] => {
    const bytes = (): Buffer => packet.bytes(list);
    const title = `${packet.name}, ${name}`;
    if (packet.first === true) return badConnect(title, undefined, verdict, bytes);
    const extras = packet.connect === undefined ? {} : { connect: packet.connect };
    return bad(title, undefined, verdict, bytes, extras);
  };
  const rows: BadInput[] = [];
  for (let identifier = 0; identifier < 0x80; identifier++) {
    if (identifier === 0x26 || packet.allowed.includes(identifier)) continue;
    const value = VALUES.get(identifier) ?? Buffer.from([0]);
    const list = properties(property(identifier, value));
    rows.push(...row(`property ${identifier.toString(16)}`, [ANY5, 'malformed_packet'], list));
  }
  for (const identifier of packet.allowed) {
    const value = VALUES.get(identifier);
    if (value === undefined || (packet.name === 'PUBLISH' && identifier === 0x0b)) continue;
    const whole = property(identifier, value);
    rows.push(
      ...row(
        `property ${identifier.toString(16)} cut`,
        MALFORMED,
        properties(whole.subarray(0, -1)),
      ),
    );
  }
  const pair = userProperty('name', 'value');
  for (let length = 1; length < pair.length; length++) {
    rows.push(
      ...row(`user property cut to ${length}`, MALFORMED, properties(pair.subarray(0, length))),
    );
  }
  rows.push(
    ...row('padded identifier A6 00', MALFORMED, properties(Buffer.from([0xa6, 0x00]), field(''))),
    ...row('identifier 80 01', MALFORMED, properties(Buffer.from([0x80, 0x01]))),
    ...row('property length 268435455', MALFORMED, Buffer.from([0xff, 0xff, 0xff, 0x7f])),
    ...row(
      'property length of 5 bytes',
      ['MQTT-1.5.5-1', 'malformed_packet'],
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0x01]),
    ),
    ...row('property length padded', ['MQTT-1.5.5-1', 'malformed_packet'], Buffer.from([0x80, 0])),
  );
  return rows;
}

export const PROPERTY_TABLE: readonly BadInput[] = PACKETS.flatMap(rowsOf);
