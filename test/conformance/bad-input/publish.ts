/** Bad input: PUBLISH and the four acknowledgements. */
import {
  ACK_FIRST,
  ack,
  field,
  packet,
  properties,
  property,
  publish,
  u16,
  u32,
  varint,
} from '../../fixtures/mqtt-client-encoder.ts';
import { ANY4, bad, CLOSED, FORBIDDEN, MALFORMED, same, type BadInput } from './row.ts';

const EMPTY = Buffer.alloc(0);

function headers(): BadInput[] {
  const rows: BadInput[] = [];
  for (const first of [0x36, 0x37, 0x3e, 0x3f]) {
    rows.push(
      ...bad(`header ${first.toString(16)}`, ...same('MQTT-3.3.1-4', 'malformed_packet'), (v) =>
        packet(first, field('a'), u16(1), Buffer.alloc(v === 5 ? 1 : 0)),
      ),
    );
  }
  for (const first of [0x38, 0x39]) {
    rows.push(
      ...bad(`header ${first.toString(16)}`, ...same('MQTT-3.3.1-2', 'protocol_error'), (v) =>
        packet(first, field('a'), Buffer.alloc(v === 5 ? 1 : 0)),
      ),
    );
  }
  for (const qos of [1, 2]) {
    rows.push(
      ...bad(
        `packet identifier 0 with QoS ${qos}`,
        ['MQTT-2.3.1-1', 'protocol_error'],
        ['MQTT-2.2.1-3', 'protocol_error'],
        (v) => publish(v, { qos, packetIdentifier: 0 }),
      ),
      ...bad(`no packet identifier with QoS ${qos}`, CLOSED, MALFORMED, () =>
        packet(0x30 | (qos << 1), field('a')),
      ),
      ...bad(`half a packet identifier with QoS ${qos}`, CLOSED, MALFORMED, () =>
        packet(0x30 | (qos << 1), field('a'), Buffer.from([1])),
      ),
    );
  }
  rows.push(
    ...bad('no property length', undefined, MALFORMED, () => packet(0x30, field('a'))),
    ...bad(
      'QoS above the announced maximum',
      [ANY4, 'qos_unsupported'],
      ['MQTT-3.2.2-11', 'qos_unsupported'],
      (v) => publish(v, { qos: 2 }),
      { options: { maximumQoS: 1 } },
    ),
    ...bad(
      'RETAIN where it is not available',
      undefined,
      ['MQTT-3.2.2-14', 'retain_unsupported'],
      (v) => publish(v, { retain: true }),
      { options: { retainAvailable: false } },
    ),
  );
  return rows;
}

function topics(): BadInput[] {
  const aliased = (alias: number, topic: string): Buffer =>
    publish(5, { topic, properties: properties(property(0x23, u16(alias))) });
  const two = { options: { topicAliasMaximum: 2 } };
  return [
    ...['a/+', 'a/#', '+', '#', 'a+b', 'ü/#'].flatMap((topic) =>
      bad(`topic ${topic}`, ...same('MQTT-3.3.2-2', 'topic_name_invalid'), (v) =>
        publish(v, { topic }),
      ),
    ),
    ...bad('topic empty', ...same('MQTT-4.7.3-1', 'protocol_error'), (v) =>
      publish(v, { topic: '' }),
    ),
    ...bad(
      'alias 0',
      undefined,
      ['MQTT-3.3.2-8', 'topic_alias_invalid'],
      () => aliased(0, 'a'),
      two,
    ),
    ...bad(
      'alias above the maximum',
      undefined,
      ['MQTT-3.3.2-9', 'topic_alias_invalid'],
      () => aliased(3, 'a'),
      two,
    ),
    ...bad(
      'any alias where there is none',
      undefined,
      ['MQTT-3.3.2-9', 'topic_alias_invalid'],
      () => aliased(1, 'a'),
    ),
    ...bad(
      'alias never set',
      undefined,
      ['MQTT-3.3.2-7', 'protocol_error'],
      () => Buffer.concat([aliased(1, 'a'), aliased(1, ''), aliased(2, '')]),
      two,
    ),
  ];
}

const SINGLE: readonly (readonly [number, Buffer])[] = [
  [0x01, Buffer.from([1])],
  [0x02, u32(1)],
  [0x03, field('text/plain')],
  [0x08, field('r')],
  [0x09, field('c')],
  [0x23, u16(1)],
];

function propertyRows(): BadInput[] {
  const withProperties = (...list: Buffer[]): (() => Buffer) => {
    return () => publish(5, { properties: properties(...list) });
  };
  const response = ['MQTT-3.3.2-14', 'protocol_error'] as const;
  const options = { options: { topicAliasMaximum: 10 } };
  const rows: BadInput[] = [
    ...bad(
      'subscription identifier from a client',
      undefined,
      ['MQTT-3.3.4-6', 'protocol_error'],
      withProperties(property(0x0b, varint(1))),
    ),
    ...bad(
      'payload format indicator 2',
      undefined,
      FORBIDDEN,
      withProperties(property(1, Buffer.from([2]))),
    ),
    ...bad('response topic a/#', undefined, response, withProperties(property(8, field('a/#')))),
    ...bad('response topic empty', undefined, response, withProperties(property(8, field('')))),
    ...bad('properties beyond the packet', undefined, MALFORMED, () =>
      publish(5, { properties: Buffer.from([0x7f]), payload: EMPTY }),
    ),
    ...bad('property length of 5 bytes', undefined, ['MQTT-1.5.5-1', 'malformed_packet'], () =>
      publish(5, { properties: Buffer.from([0x80, 0x80, 0x80, 0x80, 0]) }),
    ),
    ...bad('property length padded', undefined, ['MQTT-1.5.5-1', 'malformed_packet'], () =>
      publish(5, { properties: Buffer.from([0x82, 0x00, 1, 1]) }),
    ),
    ...bad('property length cut', undefined, MALFORMED, () =>
      publish(5, { properties: Buffer.from([0x80]), payload: EMPTY }),
    ),
  ];
  for (const [identifier, value] of SINGLE) {
    const one = property(identifier, value);
    rows.push(
      ...bad(
        `property ${identifier} twice`,
        undefined,
        FORBIDDEN,
        withProperties(one, one),
        options,
      ),
      ...bad(
        `property ${identifier} cut`,
        undefined,
        MALFORMED,
        withProperties(one.subarray(0, -1)),
        options,
      ),
    );
  }
  return rows;
}

const KINDS = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const;
const CODE_CLAUSE = {
  puback: 'MQTT-3.4.2-1',
  pubrec: 'MQTT-3.5.2-1',
  pubrel: 'MQTT-3.6.2-1',
  pubcomp: 'MQTT-3.7.2-1',
} as const;
const RECEIVED = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];

function acknowledgements(): BadInput[] {
  const rows: BadInput[] = [];
  const ok = Buffer.from([0]);
  const reason = property(0x1f, field('why'));
  for (const kind of KINDS) {
    const allowed = kind === 'puback' || kind === 'pubrec' ? RECEIVED : [0x00, 0x92];
    rows.push(
      ...bad(
        `${kind} of identifier 0`,
        ['MQTT-2.3.1-6', 'protocol_error'],
        ['MQTT-2.2.1-5', 'protocol_error'],
        () => ack(kind, 0),
      ),
      ...bad(`${kind} of length 3`, CLOSED, undefined, () => ack(kind, 1, ok)),
      ...bad(`${kind} of length 0`, CLOSED, MALFORMED, () => packet(ACK_FIRST[kind])),
      ...bad(`${kind} with a foreign property`, undefined, MALFORMED, () =>
        ack(kind, 1, ok, properties(property(0x11, u32(1)))),
      ),
      ...bad(`${kind} with two reason strings`, undefined, FORBIDDEN, () =>
        ack(kind, 1, ok, properties(reason, reason)),
      ),
      ...bad(`${kind} with bytes left over`, undefined, MALFORMED, () =>
        ack(kind, 1, ok, properties(), ok),
      ),
      ...bad(`${kind} with properties beyond it`, undefined, MALFORMED, () =>
        ack(kind, 1, ok, Buffer.from([9])),
      ),
    );
    for (let code = 0; code < 256; code++) {
      if (allowed.includes(code)) continue;
      const verdict = [CODE_CLAUSE[kind], 'protocol_error'] as const;
      const bytes = (): Buffer => ack(kind, 1, Buffer.from([code]));
      rows.push(...bad(`${kind} with code ${code}`, undefined, verdict, bytes));
    }
  }
  return rows;
}

export const PUBLISH: readonly BadInput[] = [
  ...headers(),
  ...topics(),
  ...propertyRows(),
  ...acknowledgements(),
];
