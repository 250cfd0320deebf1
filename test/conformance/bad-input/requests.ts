/** Bad input: SUBSCRIBE, UNSUBSCRIBE, DISCONNECT and AUTH. */
import {
  auth,
  disconnect,
  field,
  packet,
  properties,
  property,
  subscribe,
  u16,
  u32,
  unsubscribe,
  varint,
} from '../../fixtures/mqtt-client-encoder.ts';
import { bad, CLOSED, FORBIDDEN, MALFORMED, same, type BadInput } from './row.ts';

const PADDED = ['MQTT-1.5.5-1', 'malformed_packet'] as const;
const ZERO4 = ['MQTT-2.3.1-1', 'protocol_error'] as const;
const ZERO5 = ['MQTT-2.2.1-3', 'protocol_error'] as const;

function subscribes(): BadInput[] {
  const withProperties = (list: Buffer): (() => Buffer) => {
    return () => subscribe(5, [['a', 0]], { properties: list });
  };
  const identifier = (value: Buffer): Buffer => property(0x0b, value);
  return [
    ...bad(
      'no filter',
      ['MQTT-3.8.3-3', 'protocol_error'],
      ['MQTT-3.8.3-2', 'protocol_error'],
      (v) => subscribe(v, []),
    ),
    ...bad('identifier 0', ZERO4, ZERO5, (v) => subscribe(v, [['a', 0]], { packetIdentifier: 0 })),
    ...bad('filter without options', CLOSED, MALFORMED, (v) =>
      packet(0x82, u16(1), Buffer.alloc(v === 5 ? 1 : 0), field('a')),
    ),
    ...bad('QoS 3', ['MQTT-3.8.3-4', 'protocol_error'], FORBIDDEN, (v) =>
      subscribe(v, [
        ['a', 0],
        ['b', 3],
      ]),
    ),
    ...[0x04, 0x08, 0x10, 0x20, 0x40, 0x80].flatMap((bit) =>
      bad(`option bit ${bit}`, ['MQTT-3.8.3-4', 'malformed_packet'], undefined, (v) =>
        subscribe(v, [['a', bit]]),
      ),
    ),
    ...[0x40, 0x80].flatMap((bit) =>
      bad(`option bit ${bit}`, undefined, ['MQTT-3.8.3-5', 'malformed_packet'], (v) =>
        subscribe(v, [['a', bit]]),
      ),
    ),
    ...bad('retain handling 3', ['MQTT-3.8.3-4', 'malformed_packet'], FORBIDDEN, (v) =>
      subscribe(v, [['a', 0x30]]),
    ),
    ...bad('no local on a shared filter', undefined, ['MQTT-3.8.3-4', 'protocol_error'], (v) =>
      subscribe(v, [['$share/g/t', 0x04]]),
    ),
    ...bad('filter empty', ...same('MQTT-4.7.3-1', 'protocol_error'), (v) =>
      subscribe(v, [['', 0]]),
    ),
    ...bad(
      'subscription identifier 0',
      undefined,
      FORBIDDEN,
      withProperties(properties(identifier(varint(0)))),
    ),
    ...bad(
      'subscription identifier twice',
      undefined,
      FORBIDDEN,
      withProperties(properties(identifier(varint(1)), identifier(varint(2)))),
    ),
    ...bad(
      'subscription identifier of 5 bytes',
      undefined,
      PADDED,
      withProperties(properties(identifier(Buffer.from([0x80, 0x80, 0x80, 0x80, 1])))),
    ),
    ...bad(
      'subscription identifier padded',
      undefined,
      PADDED,
      withProperties(properties(identifier(Buffer.from([0x81, 0])))),
    ),
    ...bad(
      'foreign property',
      undefined,
      MALFORMED,
      withProperties(properties(property(0x11, u32(1)))),
    ),
  ];
}

function unsubscribes(): BadInput[] {
  return [
    ...bad('UNSUBSCRIBE, no filter', ...same('MQTT-3.10.3-2', 'protocol_error'), (v) =>
      unsubscribe(v, []),
    ),
    ...bad('UNSUBSCRIBE, identifier 0', ZERO4, ZERO5, (v) =>
      unsubscribe(v, ['a'], { packetIdentifier: 0 }),
    ),
    ...bad('UNSUBSCRIBE, filter empty', ...same('MQTT-4.7.3-1', 'protocol_error'), (v) =>
      unsubscribe(v, ['']),
    ),
    ...bad('UNSUBSCRIBE, stray byte', CLOSED, MALFORMED, (v) =>
      packet(0xa2, u16(1), Buffer.alloc(v === 5 ? 1 : 0), field('a'), Buffer.from([7])),
    ),
    ...bad('UNSUBSCRIBE, subscription identifier', undefined, MALFORMED, () =>
      unsubscribe(5, ['a'], { properties: properties(property(0x0b, varint(1))) }),
    ),
  ];
}

const FROM_CLIENT = [
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
];

function disconnects(): BadInput[] {
  const ok = Buffer.from([0]);
  const expiry = property(0x11, u32(5));
  const reason = property(0x1f, field('why'));
  const stays = { connect: { properties: properties(property(0x11, u32(60))) } };
  const rows: BadInput[] = [
    ...bad('DISCONNECT with a body', CLOSED, undefined, () => disconnect(ok)),
    ...bad('DISCONNECT, expiry raised from none', undefined, FORBIDDEN, () =>
      disconnect(ok, properties(expiry)),
    ),
    ...bad(
      'DISCONNECT, expiry twice',
      undefined,
      FORBIDDEN,
      () => disconnect(ok, properties(expiry, expiry)),
      stays,
    ),
    ...bad('DISCONNECT, two reason strings', undefined, FORBIDDEN, () =>
      disconnect(ok, properties(reason, reason)),
    ),
    ...bad('DISCONNECT, server reference', undefined, FORBIDDEN, () =>
      disconnect(ok, properties(property(0x1c, field('other')))),
    ),
    ...bad('DISCONNECT, foreign property', undefined, MALFORMED, () =>
      disconnect(ok, properties(property(0x21, u16(1)))),
    ),
    ...bad('DISCONNECT, bytes left over', undefined, MALFORMED, () =>
      disconnect(ok, properties(), ok),
    ),
  ];
  for (let code = 0; code < 256; code++) {
    if (FROM_CLIENT.includes(code)) continue;
    rows.push(
      ...bad(`DISCONNECT with code ${code}`, undefined, ['MQTT-3.14.2-1', 'protocol_error'], () =>
        disconnect(Buffer.from([code])),
      ),
    );
  }
  return rows;
}

function auths(): BadInput[] {
  const method = property(0x15, field('M'));
  const data = property(0x16, field('d'));
  const withMethod = { connect: { properties: properties(method) } };
  const named = ['MQTT-4.12.0-5', 'protocol_error'] as const;
  const rows: BadInput[] = [
    ...bad('AUTH, no method in CONNECT', undefined, ['MQTT-4.12.0-7', 'protocol_error'], () =>
      auth(0x19, properties(method)),
    ),
    ...bad('AUTH of length 0', undefined, named, () => packet(0xf0), withMethod),
    ...bad(
      'AUTH without properties',
      undefined,
      named,
      () => packet(0xf0, Buffer.from([0x19])),
      withMethod,
    ),
    ...bad('AUTH without method', undefined, named, () => auth(0x19, properties()), withMethod),
    ...bad(
      'AUTH with another method',
      undefined,
      named,
      () => auth(0x19, properties(property(0x15, field('N')))),
      withMethod,
    ),
    ...bad(
      'AUTH, method twice',
      undefined,
      FORBIDDEN,
      () => auth(0x19, properties(method, method)),
      withMethod,
    ),
    ...bad(
      'AUTH, data twice',
      undefined,
      FORBIDDEN,
      () => auth(0x19, properties(method, data, data)),
      withMethod,
    ),
    ...bad(
      'AUTH, data alone',
      undefined,
      FORBIDDEN,
      () => auth(0x19, properties(data)),
      withMethod,
    ),
    ...bad(
      'AUTH, foreign property',
      undefined,
      MALFORMED,
      () => auth(0x19, properties(method, property(0x11, u32(1)))),
      withMethod,
    ),
  ];
  for (const code of [0x00, 0x01, 0x17, 0x1a, 0x80, 0xff]) {
    rows.push(
      ...bad(
        `AUTH with code ${code}`,
        undefined,
        ['MQTT-3.15.2-1', 'protocol_error'],
        () => auth(code, properties(method)),
        withMethod,
      ),
    );
  }
  return rows;
}

export const REQUESTS: readonly BadInput[] = [
  ...subscribes(),
  ...unsubscribes(),
  ...disconnects(),
  ...auths(),
];
