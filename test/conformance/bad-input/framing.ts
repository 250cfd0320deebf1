/** Bad input: fixed header, lengths, packets at the wrong time or from the wrong side. */
import {
  ack,
  connect,
  field,
  packet,
  PINGREQ,
  publish,
  subscribe,
  u16,
} from '../../fixtures/mqtt-client-encoder.ts';
import { ANY4, bad, badConnect, CLOSED, FORBIDDEN, MALFORMED, same, type BadInput } from './row.ts';

const FLAGS: readonly [
  readonly [string, 'malformed_packet'],
  readonly [string, 'malformed_packet'],
] = [
  ['MQTT-2.2.2-2', 'malformed_packet'],
  ['MQTT-2.1.3-1', 'malformed_packet'],
];

/** First byte of each packet whose flags are fixed, its right flags, statement of its own. */
const FIXED: readonly (readonly [name: string, first: number, clause?: string])[] = [
  ['PUBACK', 0x40],
  ['PUBREC', 0x50],
  ['PUBREL', 0x62, 'MQTT-3.6.1-1'],
  ['PUBCOMP', 0x70],
  ['SUBSCRIBE', 0x82, 'MQTT-3.8.1-1'],
  ['UNSUBSCRIBE', 0xa2, 'MQTT-3.10.1-1'],
  ['PINGREQ', 0xc0],
  ['DISCONNECT', 0xe0, 'MQTT-3.14.1-1'],
];

function wrongFlags(): BadInput[] {
  const rows: BadInput[] = [];
  for (const [name, first, own] of FIXED) {
    const [v4, v5] = own === undefined ? FLAGS : same(own, 'malformed_packet');
    for (let flags = 0; flags < 16; flags++) {
      if (flags === (first & 15)) continue;
      const head = (first & 0xf0) | flags;
      const bytes = (): Buffer => packet(head, u16(1));
      rows.push(...bad(`flags ${flags} on ${name}`, v4, v5, bytes));
    }
  }
  for (let flags = 1; flags < 16; flags++) {
    rows.push(
      ...bad(`flags ${flags} on AUTH`, undefined, ['MQTT-3.15.1-1', 'malformed_packet'], () =>
        packet(0xf0 | flags, Buffer.from([0x18, 0])),
      ),
    );
  }
  return rows;
}

function firstPackets(): BadInput[] {
  const rows: BadInput[] = [];
  const [, verdict] = same('MQTT-3.1.0-1', 'protocol_error');
  for (let type = 0; type < 16; type++) {
    if (type === 1) continue;
    const bytes = (): Buffer => packet(type << 4, u16(1));
    rows.push(...badConnect(`first packet of type ${type}`, undefined, verdict, bytes, 0));
  }
  rows.push(
    ...badConnect('PINGREQ before CONNECT', undefined, verdict, () => PINGREQ, 0),
    ...badConnect('an HTTP request', undefined, verdict, () => Buffer.from('GET / HTTP/1.1'), 0),
    ...badConnect('a TLS hello', undefined, FLAGS[1], () => Buffer.from([0x16, 3, 1, 2, 0, 1]), 0),
    ...badConnect('flags on CONNECT', undefined, FLAGS[1], (v) => {
      const bytes = connect(v);
      bytes[0] = 0x11;
      return bytes;
    }),
  );
  return rows;
}

function serverPackets(): BadInput[] {
  const verdict4 = [ANY4, 'protocol_error'] as const;
  return [
    ...bad('CONNACK', verdict4, FORBIDDEN, () => packet(0x20, Buffer.from([0, 0, 0]))),
    ...bad('SUBACK', verdict4, FORBIDDEN, () => packet(0x90, u16(1), Buffer.from([0]))),
    ...bad('UNSUBACK', verdict4, FORBIDDEN, () => packet(0xb0, u16(1))),
    ...bad('PINGRESP', verdict4, FORBIDDEN, () => packet(0xd0)),
    ...bad('type 0', CLOSED, MALFORMED, () => packet(0x00)),
    ...bad('type 15', CLOSED, undefined, () => packet(0xf0)),
    ...bad('a second CONNECT', ...same('MQTT-3.1.0-2', 'protocol_error'), (v) => connect(v)),
  ];
}

function withLength(first: number, length: readonly number[], body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

const SMALL = { options: { packetBytesMax: 1024 } };

function lengths(): BadInput[] {
  const endless = ['MQTT-1.5.5-1', 'malformed_packet'] as const;
  const large = ['MQTT-3.2.2-15', 'packet_too_large'] as const;
  const large4 = [ANY4, 'packet_too_large'] as const;
  const body = Buffer.concat([field('a'), Buffer.from([0])]);
  return [
    ...bad('continuation in the 4th length byte', CLOSED, endless, () =>
      withLength(0x30, [0x80, 0x80, 0x80, 0x80], Buffer.alloc(0)),
    ),
    ...bad('padded length 80 00', undefined, endless, () =>
      withLength(0xc0, [0x80, 0], Buffer.alloc(0)),
    ),
    ...bad('padded length of PUBLISH', undefined, endless, () =>
      withLength(0x30, [0x80 | body.length, 0x80, 0], body),
    ),
    ...bad(
      'length over the limit, on the header',
      large4,
      large,
      () => Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]),
      SMALL,
    ),
    ...bad(
      'one byte over the limit',
      large4,
      large,
      (v) => {
        const overhead = publish(v, { payload: Buffer.alloc(200) }).length - 200;
        return publish(v, { payload: Buffer.alloc(1025 - overhead) });
      },
      SMALL,
    ),
    ...bad('PINGREQ with a body', CLOSED, MALFORMED, () => packet(0xc0, Buffer.from([0]))),
    ...bad('PUBLISH of length 0', CLOSED, MALFORMED, () => packet(0x30)),
    ...bad('PUBLISH of length 1', CLOSED, MALFORMED, () => packet(0x30, Buffer.from([0]))),
    ...bad('SUBSCRIBE of length 0', CLOSED, MALFORMED, () => packet(0x82)),
    ...bad('UNSUBSCRIBE of length 1', CLOSED, MALFORMED, () => packet(0xa2, Buffer.from([0]))),
    ...bad('PUBACK of length 0', CLOSED, MALFORMED, () => packet(0x40)),
    ...bad('PUBACK of length 1', CLOSED, MALFORMED, () => packet(0x40, Buffer.from([0]))),
    ...bad('a bad packet behind good ones', CLOSED, MALFORMED, (v) =>
      Buffer.concat([publish(v), subscribe(v, [['a', 0]]), ack('puback', 1), packet(0x00)]),
    ),
  ];
}

export const FRAMING: readonly BadInput[] = [
  ...wrongFlags(),
  ...firstPackets(),
  ...serverPackets(),
  ...lengths(),
];
