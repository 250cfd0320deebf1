/** What the encoders write, mqtt-packet reads as it was meant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parser, type Packet as OraclePacket } from 'mqtt-packet';
import {
  encodeAuth,
  encodeConnack,
  encodeDisconnect,
  encodeSuback,
  encodeUnsuback,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  writeAck,
  writePuback,
  type ConnackProperties,
} from '#mqtt';
import {
  binary,
  packetIdentifier,
  text,
  version,
  type Version,
} from '../../fixtures/mqtt-arbitraries.ts';

function parsed(v: Version, bytes: Buffer): OraclePacket {
  const oracle = parser({ protocolVersion: v });
  const packets: OraclePacket[] = [];
  oracle.on('packet', (packet) => packets.push(packet));
  oracle.on('error', (error) => {
    throw error;
  });
  oracle.parse(bytes);
  assert.equal(packets.length, 1, bytes.toString('hex'));
  return packets[0] as OraclePacket;
}

/** The fields that a test names. */
function fieldsOf(v: Version, bytes: Buffer, ...names: string[]): Record<string, unknown> {
  const packet = parsed(v, bytes) as unknown as Record<string, unknown>;
  return Object.fromEntries(names.map((name) => [name, packet[name]]));
}

const u16 = fc.integer({ min: 0, max: 65_535 });
const connackProperties: fc.Arbitrary<ConnackProperties> = fc.record(
  {
    sessionExpiryInterval: fc.nat(),
    receiveMaximum: fc.integer({ min: 1, max: 65_535 }),
    maximumQoS: fc.constantFrom<0 | 1>(0, 1),
    retainAvailable: fc.boolean(),
    maximumPacketSize: fc.constantFrom(1, 0xffffffff),
    assignedClientIdentifier: text,
    topicAliasMaximum: u16,
    reasonString: text,
    wildcardSubscriptionAvailable: fc.boolean(),
    subscriptionIdentifiersAvailable: fc.boolean(),
    sharedSubscriptionAvailable: fc.boolean(),
    serverKeepAlive: u16,
    responseInformation: text,
    serverReference: text,
    authenticationMethod: text,
    authenticationData: binary,
  },
  { requiredKeys: [] },
);

test('CONNACK of 5.0 with any properties', () => {
  fc.assert(
    fc.property(connackProperties, fc.boolean(), (properties, sessionPresent) => {
      const packet = parsed(5, encodeConnack(5, 0, sessionPresent, properties));
      assert.ok(packet.cmd === 'connack');
      assert.equal(packet.sessionPresent, sessionPresent);
      assert.equal(packet.reasonCode, 0);
      assert.deepEqual({ ...packet.properties }, { ...properties });
    }),
  );
});

test('CONNACK of 3.1.1 is four bytes; a refusal never says Session Present', () => {
  assert.deepEqual(encodeConnack(4, 0, true), Buffer.from([0x20, 2, 1, 0]));
  assert.deepEqual(
    encodeConnack(4, 5, true, { reasonString: 'no' }),
    Buffer.from([0x20, 2, 0, 5]),
    '[MQTT-3.2.2-4]',
  );
  assert.deepEqual(encodeConnack(5, 0x87, true), Buffer.from([0x20, 3, 0, 0x87, 0]));
});

test('[MQTT-3.2.2-19] [MQTT-3.2.2-20] user properties, then the reason string, give way', () => {
  const properties: ConnackProperties = {
    reasonString: 'r'.repeat(20),
    userProperties: [['n', 'v'.repeat(20)]],
    serverKeepAlive: 7,
  };
  const whole = encodeConnack(5, 0, false, properties);
  const names = (bytes: Buffer): string[] => {
    const packet = parsed(5, bytes);
    assert.ok(packet.cmd === 'connack');
    return Object.keys(packet.properties ?? {}).sort();
  };
  const fitted = (max: number): Buffer => encodeConnack(5, 0, false, properties, max);
  assert.deepEqual(names(fitted(whole.length)), [
    'reasonString',
    'serverKeepAlive',
    'userProperties',
  ]);
  assert.deepEqual(names(fitted(whole.length - 1)), ['reasonString', 'serverKeepAlive']);
  assert.deepEqual(names(fitted(10)), ['serverKeepAlive']);
  assert.ok(fitted(4).length > 4, 'what cannot fit is for the caller to see');
});

test('SUBACK and UNSUBACK', () => {
  fc.assert(
    fc.property(
      version,
      packetIdentifier,
      fc.array(fc.constantFrom(0, 1, 2, 0x87, 0x8f)),
      (v, id, codes) => {
        const granted = v === 5 ? codes : codes.map((code) => Math.min(code, 0x80));
        assert.deepEqual(fieldsOf(v, encodeSuback(v, id, codes), 'cmd', 'messageId', 'granted'), {
          cmd: 'suback',
          messageId: id,
          granted,
        });
        const un = fieldsOf(v, encodeUnsuback(v, id, [0x00, 0x11]), 'cmd', 'messageId', 'granted');
        assert.equal(un['cmd'], 'unsuback');
        assert.equal(un['messageId'], id);
        if (v === 5) assert.deepEqual(un['granted'], [0x00, 0x11]);
      },
    ),
  );
  assert.deepEqual(encodeUnsuback(4, 258, [0]), Buffer.from([0xb0, 2, 1, 2]));
  const big = { reasonString: 'r'.repeat(50) };
  assert.equal(encodeSuback(5, 1, [0], big, 20).length, 6, '[MQTT-3.9.2-1]');
});

test('acknowledgements are written in their shortest form', () => {
  const out = Buffer.alloc(16);
  assert.equal(writePuback(out, 3, 0x1234, 4, 0x87), 7);
  assert.deepEqual(out.subarray(3, 7), Buffer.from([0x40, 2, 0x12, 0x34]));
  assert.equal(writePuback(out, 0, 0x1234, 5, 0), 4);
  const kinds = [
    ['puback', PUBACK, 0x87],
    ['pubrec', PUBREC, 0x97],
    ['pubrel', PUBREL, 0x92],
    ['pubcomp', PUBCOMP, 0x92],
  ] as const;
  for (const [cmd, first, reasonCode] of kinds) {
    const bytes = out.subarray(0, writeAck(out, 0, first, 513, 5, reasonCode));
    assert.deepEqual(fieldsOf(5, bytes, 'cmd', 'messageId', 'reasonCode'), {
      cmd,
      messageId: 513,
      reasonCode,
    });
  }
});

test('DISCONNECT, AUTH and PINGRESP', () => {
  assert.deepEqual(encodeDisconnect(0), Buffer.from([0xe0, 0]));
  assert.deepEqual(encodeDisconnect(0x8e), Buffer.from([0xe0, 1, 0x8e]));
  const reason = { reasonString: 'elsewhere', serverReference: 'other:1883' };
  assert.deepEqual(fieldsOf(5, encodeDisconnect(0x9c, reason), 'cmd', 'reasonCode', 'properties'), {
    cmd: 'disconnect',
    reasonCode: 0x9c,
    properties: { ...reason },
  });
  const auth = { authenticationMethod: 'M', authenticationData: Buffer.from([0, 9]) };
  const read = parsed(5, encodeAuth(0x18, auth));
  assert.ok(read.cmd === 'auth');
  assert.deepEqual({ ...read.properties }, auth);
  assert.equal(parsed(4, PINGRESP).cmd, 'pingresp');
});
