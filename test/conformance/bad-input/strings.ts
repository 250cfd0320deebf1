/** Bad input: strings that are not UTF-8 as MQTT wants it, in each place that has one. */
import {
  ack,
  connect,
  disconnect,
  field,
  packet,
  properties,
  property,
  publish,
  subscribe,
  u16,
  unsubscribe,
  userProperty,
  type Version,
} from '../../fixtures/mqtt-client-encoder.ts';
import { ANY4, bad, badConnect, type BadInput, type Verdict } from './row.ts';

/** Sequences that are no UTF-8. */
export const ILL_FORMED: readonly (readonly [name: string, bytes: Buffer])[] = [
  '80',
  'bf',
  'c3',
  'e282',
  'f09f98',
  'c3c3',
  'e28228',
  'c0',
  'c1bf',
  'f5808080',
  'ff',
  'fe',
  'c080',
  'c0af',
  'e080af',
  'f08080af',
  'eda080',
  'edbfbf',
  'eda080edb080',
  'f4908080',
].map((hex) => [hex, Buffer.from(hex, 'hex')]);

type Place = (version: Version, text: Buffer) => Buffer;

interface StringPlace {
  readonly name: string;
  readonly v4: string | undefined;
  readonly v5: string;
  /** Statement that the zero character breaks, where it is another one. */
  readonly zero4?: string;
  readonly zero5?: string;
  readonly bytes: Place;
  readonly inConnect?: true;
  readonly reason?: 'unsupported_protocol';
}

const V5_ONLY = undefined;

const PLACES: readonly StringPlace[] = [
  {
    name: 'client identifier',
    v4: 'MQTT-3.1.3-4',
    v5: 'MQTT-3.1.3-4',
    zero4: 'MQTT-1.5.3-2',
    zero5: 'MQTT-1.5.4-2',
    bytes: (v, text) => connect(v, { clientIdentifier: text }),
    inConnect: true,
  },
  {
    name: 'protocol name',
    v4: V5_ONLY,
    v5: 'MQTT-3.1.2-1',
    bytes: (v, text) => connect(v, { protocolName: text }),
    inConnect: true,
    reason: 'unsupported_protocol',
  },
  {
    name: 'will topic',
    v4: 'MQTT-3.1.3-10',
    v5: 'MQTT-3.1.3-11',
    zero4: 'MQTT-1.5.3-2',
    zero5: 'MQTT-1.5.4-2',
    bytes: (v, text) => connect(v, { will: { topic: text } }),
    inConnect: true,
  },
  {
    name: 'user name',
    v4: 'MQTT-3.1.3-11',
    v5: 'MQTT-3.1.3-12',
    zero4: 'MQTT-1.5.3-2',
    zero5: 'MQTT-1.5.4-2',
    bytes: (v, text) => connect(v, { userName: text }),
    inConnect: true,
  },
  {
    name: 'authentication method',
    v4: V5_ONLY,
    v5: 'MQTT-1.5.4-1',
    zero5: 'MQTT-1.5.4-2',
    bytes: (v, text) => connect(v, { properties: properties(property(0x15, field(text))) }),
    inConnect: true,
  },
  {
    name: 'will content type',
    v4: V5_ONLY,
    v5: 'MQTT-1.5.4-1',
    zero5: 'MQTT-1.5.4-2',
    bytes: (v, text) =>
      connect(v, { will: { topic: 'w', properties: properties(property(3, field(text))) } }),
    inConnect: true,
  },
  {
    name: 'topic',
    v4: 'MQTT-3.3.2-1',
    v5: 'MQTT-3.3.2-1',
    zero4: 'MQTT-4.7.3-2',
    zero5: 'MQTT-4.7.3-2',
    bytes: (v, text) => publish(v, { topic: text }),
  },
  {
    name: 'response topic',
    v4: V5_ONLY,
    v5: 'MQTT-3.3.2-13',
    bytes: (v, text) => publish(v, { properties: properties(property(8, field(text))) }),
  },
  {
    name: 'content type',
    v4: V5_ONLY,
    v5: 'MQTT-3.3.2-19',
    bytes: (v, text) => publish(v, { properties: properties(property(3, field(text))) }),
  },
  {
    name: 'user property name in PUBLISH',
    v4: V5_ONLY,
    v5: 'MQTT-1.5.7-1',
    bytes: (v, text) => publish(v, { properties: properties(userProperty(text, 'v')) }),
  },
  {
    name: 'user property value in PUBLISH',
    v4: V5_ONLY,
    v5: 'MQTT-1.5.7-1',
    bytes: (v, text) => publish(v, { properties: properties(userProperty('n', text)) }),
  },
  {
    name: 'user property name in SUBSCRIBE',
    v4: V5_ONLY,
    v5: 'MQTT-1.5.7-1',
    bytes: (v, text) =>
      subscribe(v, [['a', 0]], { properties: properties(userProperty(text, 'v')) }),
  },
  {
    name: 'user property value in CONNECT',
    v4: V5_ONLY,
    v5: 'MQTT-1.5.7-1',
    bytes: (v, text) => connect(v, { properties: properties(userProperty('n', text)) }),
    inConnect: true,
  },
  {
    name: 'filter of SUBSCRIBE',
    v4: 'MQTT-3.8.3-1',
    v5: 'MQTT-3.8.3-1',
    zero4: 'MQTT-4.7.3-2',
    zero5: 'MQTT-4.7.3-2',
    bytes: (v, text) => subscribe(v, [[text, 0]]),
  },
  {
    name: 'filter of UNSUBSCRIBE',
    v4: 'MQTT-3.10.3-1',
    v5: 'MQTT-3.10.3-1',
    zero4: 'MQTT-4.7.3-2',
    zero5: 'MQTT-4.7.3-2',
    bytes: (v, text) => unsubscribe(v, ['good', text]),
  },
  {
    name: 'reason string of PUBACK',
    v4: V5_ONLY,
    v5: 'MQTT-1.5.4-1',
    zero5: 'MQTT-1.5.4-2',
    bytes: (_v, text) =>
      ack('puback', 1, Buffer.from([0]), properties(property(0x1f, field(text)))),
  },
  {
    name: 'reason string of DISCONNECT',
    v4: V5_ONLY,
    v5: 'MQTT-1.5.4-1',
    zero5: 'MQTT-1.5.4-2',
    bytes: (_v, text) => disconnect(Buffer.from([0]), properties(property(0x1f, field(text)))),
  },
];

function rowsOf(place: StringPlace): BadInput[] {
  const make = place.inConnect === true ? badConnect : bad;
  const reason = place.reason ?? 'malformed_packet';
  const verdict = (clause: string | undefined): Verdict | undefined =>
    clause === undefined ? undefined : [clause, reason];
  const v4 = verdict(place.v4);
  const v5 = verdict(place.v5);
  const zero4 = verdict(place.zero4 ?? place.v4);
  const zero5 = verdict(place.zero5 ?? place.v5);
  const rows = ILL_FORMED.flatMap(([hex, bytes]) => [
    ...make(`${place.name} ends with ${hex}`, v4, v5, (v) =>
      place.bytes(v, Buffer.concat([Buffer.from('a/'), bytes])),
    ),
    ...make(`${place.name} holds ${hex}`, v4, v5, (v) =>
      place.bytes(v, Buffer.concat([bytes, Buffer.from('/a')])),
    ),
  ]);
  rows.push(
    ...make(`${place.name} holds U+0000`, zero4, zero5, (v) => place.bytes(v, Buffer.from('a\0b'))),
  );
  return rows;
}

const BEYOND: readonly BadInput[] = [
  ...bad(
    'topic length beyond the packet',
    [ANY4, 'malformed_packet'],
    ['MQTT-4.13.1-1', 'malformed_packet'],
    () => packet(0x30, u16(9), Buffer.from('a/b')),
  ),
  ...bad(
    'filter length beyond the packet',
    [ANY4, 'malformed_packet'],
    ['MQTT-4.13.1-1', 'malformed_packet'],
    (v) => packet(0x82, u16(1), Buffer.alloc(v === 5 ? 1 : 0), u16(9), Buffer.from('a/b')),
  ),
  ...bad(
    'filter length cut to one byte',
    [ANY4, 'malformed_packet'],
    ['MQTT-4.13.1-1', 'malformed_packet'],
    (v) => packet(0xa2, u16(1), Buffer.alloc(v === 5 ? 1 : 0), field('a'), Buffer.from([0])),
  ),
];

export const STRINGS: readonly BadInput[] = [...PLACES.flatMap(rowsOf), ...BEYOND];
