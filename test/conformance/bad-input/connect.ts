/** Bad input: CONNECT. `answer` is the version that the refusal is written in, 0 = silent. */
import {
  connect,
  connectBody,
  field,
  packet,
  properties,
  property,
  u16,
  u32,
  type Version,
} from '../../fixtures/mqtt-client-encoder.ts';
import { ANY5, badConnect, MALFORMED, FORBIDDEN, same, type BadInput } from './row.ts';

const will = { topic: 'w', payload: Buffer.from('gone') };

function protocols(): BadInput[] {
  const [, name5] = same('MQTT-3.1.2-1', 'unsupported_protocol');
  const [level4, level5] = same('MQTT-3.1.2-2', 'unsupported_protocol');
  const rows: BadInput[] = [];
  for (const protocolName of ['mqtt', 'MQTTX', 'MQT', '', 'MQTT ']) {
    rows.push(
      ...badConnect(
        `name "${protocolName}"`,
        undefined,
        name5,
        (v) => connect(v, { protocolName }),
        0,
      ),
    );
  }
  for (const level of [0, 1, 2, 3, 0x83, 0x84, 0x80]) {
    rows.push(...badConnect(`level ${level}`, level4, undefined, (v) => connect(v, { level }), 4));
  }
  for (const level of [6, 127, 255, 0x85]) {
    rows.push(...badConnect(`level ${level}`, undefined, level5, (v) => connect(v, { level }), 5));
  }
  const isdp = { protocolName: 'MQIsdp', level: 3 };
  rows.push(
    ...badConnect('MQTT 3.1 (MQIsdp)', level4, undefined, (v) => connect(v, isdp), 4),
    ...badConnect(
      'MQIsdp of level 4',
      level4,
      undefined,
      (v) => connect(v, { protocolName: 'MQIsdp' }),
      4,
    ),
    ...badConnect(
      'MQIsdp of level 5',
      undefined,
      level5,
      (v) => connect(v, { protocolName: 'MQIsdp' }),
      5,
    ),
    ...badConnect(
      'unknown level, nothing behind',
      undefined,
      level5,
      () => packet(0x10, field('MQTT'), Buffer.from([9])),
      5,
    ),
  );
  return rows;
}

function flagRows(): BadInput[] {
  const at = (clause: string): readonly [string, 'malformed_packet'] => [
    clause,
    'malformed_packet',
  ];
  const rows: BadInput[] = [
    ...badConnect('reserved flag', at('MQTT-3.1.2-3'), at('MQTT-3.1.2-3'), (v) =>
      connect(v, { flags: 0x03 }),
    ),
    ...badConnect('will retain without will', at('MQTT-3.1.2-15'), at('MQTT-3.1.2-13'), (v) =>
      connect(v, { flags: 0x22 }),
    ),
    ...badConnect('will QoS 3', at('MQTT-3.1.2-14'), at('MQTT-3.1.2-12'), (v) =>
      connect(v, { will: { ...will, qos: 3 } }),
    ),
    ...badConnect('will flag, no will', at('MQTT-3.1.2-9'), at('MQTT-3.1.2-9'), (v) =>
      connect(v, { flags: 0x06 }),
    ),
    ...badConnect('will without payload', at('MQTT-3.1.2-9'), at('MQTT-3.1.2-9'), (v) =>
      connect(v, {
        flags: 0x06,
        extra: Buffer.concat([Buffer.alloc(v === 5 ? 1 : 0), field('w')]),
      }),
    ),
    ...badConnect('will fields, no flag', at('MQTT-3.1.2-18'), at('MQTT-3.1.2-16'), (v) =>
      connect(v, { will, flags: 0x02 }),
    ),
    ...badConnect('user name flag alone', at('MQTT-3.1.2-19'), at('MQTT-3.1.2-17'), (v) =>
      connect(v, { flags: 0x82 }),
    ),
    ...badConnect('user name without flag', at('MQTT-3.1.2-18'), at('MQTT-3.1.2-16'), (v) =>
      connect(v, { userName: 'u', flags: 0x02 }),
    ),
    ...badConnect('password flag alone', at('MQTT-3.1.2-21'), at('MQTT-3.1.2-19'), (v) =>
      connect(v, { userName: 'u', flags: 0xc2 }),
    ),
    ...badConnect('password without flag', at('MQTT-3.1.2-20'), at('MQTT-3.1.2-18'), (v) =>
      connect(v, { userName: 'u', password: Buffer.from('p'), flags: 0x82 }),
    ),
    ...badConnect('password without user name', at('MQTT-3.1.2-22'), undefined, (v) =>
      connect(v, { password: Buffer.from('p') }),
    ),
  ];
  for (const qos of [1, 2, 3]) {
    rows.push(
      ...badConnect(`will QoS ${qos} without will`, at('MQTT-3.1.2-13'), at('MQTT-3.1.2-11'), (v) =>
        connect(v, { flags: 0x02 | (qos << 3) }),
      ),
    );
  }
  return rows;
}

function payloads(): BadInput[] {
  const full = { will, userName: 'u', password: Buffer.from('p') };
  const wildcard4 = ['MQTT-4.7.1-1', 'topic_name_invalid'] as const;
  const wildcard5 = ['MQTT-4.7.0-1', 'topic_name_invalid'] as const;
  return [
    ...badConnect('no payload', ...same('MQTT-3.1.3-3', 'malformed_packet'), (v) =>
      packet(0x10, field('MQTT'), Buffer.from([v, 2, 0, 60, ...(v === 5 ? [0] : [])])),
    ),
    ...badConnect(
      'empty client identifier with CleanSession 0',
      ['MQTT-3.1.3-8', 'client_identifier_invalid'],
      undefined,
      (v) => connect(v, { clientIdentifier: '', cleanStart: false }),
      4,
    ),
    ...badConnect('cut in its head', ...same('MQTT-3.1.4-1', 'malformed_packet'), (v) =>
      packet(0x10, field('MQTT'), Buffer.from([v, 2, 0])),
    ),
    ...badConnect('bytes left over', ...same('MQTT-3.1.4-1', 'malformed_packet'), (v) =>
      connect(v, { ...full, extra: Buffer.from([0]) }),
    ),
    ...badConnect('will topic empty', ...same('MQTT-4.7.3-1', 'topic_name_invalid'), (v) =>
      connect(v, { will: { topic: '' } }),
    ),
    ...['w/+', 'w/#', '+', '#', 'a+b'].flatMap((topic) =>
      badConnect(`will topic ${topic}`, wildcard4, wildcard5, (v) =>
        connect(v, { will: { topic } }),
      ),
    ),
    ...badConnect('properties beyond the packet', undefined, MALFORMED, (v) =>
      connect(v, { properties: Buffer.from([0x7f]) }),
    ),
    ...badConnect('will properties beyond the packet', undefined, MALFORMED, (v) =>
      connect(v, { will: { ...will, properties: Buffer.from([0x7f]) } }),
    ),
    ...badConnect(
      'padded remaining length',
      undefined,
      ['MQTT-1.5.5-1', 'malformed_packet'],
      () => {
        const body = connectBody(5);
        return Buffer.concat([Buffer.from([0x10, 0x80 | body.length, 0]), body]);
      },
    ),
    ...badConnect(
      'CONNECT over the limit',
      undefined,
      ['MQTT-3.2.2-15', 'packet_too_large'],
      () => Buffer.from([0x10, 0x81, 0x80, 0x08]),
      0,
    ),
  ];
}

const SINGLE: readonly (readonly [number, Buffer])[] = [
  [0x11, u32(10)],
  [0x21, u16(10)],
  [0x27, u32(10)],
  [0x22, u16(10)],
  [0x19, Buffer.from([1])],
  [0x17, Buffer.from([1])],
  [0x15, field('m')],
];

const SINGLE_IN_WILL: readonly (readonly [number, Buffer])[] = [
  [0x18, u32(1)],
  [0x01, Buffer.from([1])],
  [0x02, u32(1)],
  [0x03, field('text/plain')],
  [0x08, field('r')],
  [0x09, field('c')],
];

function propertyRows(): BadInput[] {
  const inConnect = (...list: Buffer[]): ((v: Version) => Buffer) => {
    return (v) => connect(v, { properties: properties(...list) });
  };
  const inWill = (...list: Buffer[]): ((v: Version) => Buffer) => {
    return (v) => connect(v, { will: { ...will, properties: properties(...list) } });
  };
  const rows: BadInput[] = [
    ...badConnect(
      'authentication data alone',
      undefined,
      FORBIDDEN,
      inConnect(property(0x16, field('d'))),
    ),
    ...badConnect('receive maximum 0', undefined, FORBIDDEN, inConnect(property(0x21, u16(0)))),
    ...badConnect('maximum packet size 0', undefined, FORBIDDEN, inConnect(property(0x27, u32(0)))),
  ];
  for (const identifier of [0x17, 0x19]) {
    rows.push(
      ...badConnect(
        `property ${identifier} is 2`,
        undefined,
        FORBIDDEN,
        inConnect(property(identifier, Buffer.from([2]))),
      ),
    );
  }
  for (const [identifier, value] of SINGLE) {
    const one = property(identifier, value);
    rows.push(
      ...badConnect(`property ${identifier} twice`, undefined, FORBIDDEN, inConnect(one, one)),
    );
  }
  for (const [identifier, value] of SINGLE_IN_WILL) {
    const one = property(identifier, value);
    rows.push(
      ...badConnect(`will property ${identifier} twice`, undefined, FORBIDDEN, inWill(one, one)),
      ...badConnect(`will property ${identifier} in CONNECT`, undefined, MALFORMED, inConnect(one)),
    );
  }
  const response = ['MQTT-3.3.2-14', 'protocol_error'] as const;
  rows.push(
    ...badConnect('will indicator 2', undefined, FORBIDDEN, inWill(property(1, Buffer.from([2])))),
    ...badConnect(
      'session expiry in the will',
      undefined,
      [ANY5, 'malformed_packet'],
      inWill(property(0x11, u32(1))),
    ),
    ...badConnect(
      'will response topic a/+',
      undefined,
      response,
      inWill(property(8, field('a/+'))),
    ),
    ...badConnect('will response topic empty', undefined, response, inWill(property(8, field('')))),
  );
  return rows;
}

export const CONNECT: readonly BadInput[] = [
  ...protocols(),
  ...flagRows(),
  ...payloads(),
  ...propertyRows(),
];
