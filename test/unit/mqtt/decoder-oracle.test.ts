/** What mqtt-packet encodes, the decoder reads as it was meant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { generate, type Packet as OraclePacket } from 'mqtt-packet';
import { PacketDecoder, topicOf, type DecodeFault, type Packet } from '#mqtt';
import {
  connectPacket,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
  version,
  type Version,
} from '../../fixtures/mqtt-arbitraries.ts';
import { connect, PINGREQ, type ConnectFields } from '../../fixtures/mqtt-client-encoder.ts';
import { properties as propertyBytes, property, u32 } from '../../fixtures/mqtt-client-encoder.ts';

const RUNS = { numRuns: 300 };

function firstOf(...chunks: Buffer[]): Packet | DecodeFault {
  const decoder = new PacketDecoder({ packetBytesMax: 1 << 20 });
  decoder.push(Buffer.concat(chunks));
  const packet = decoder.next();
  assert.ok(packet, 'a whole packet was pushed');
  return packet;
}

/** The packet behind a good CONNECT. */
function decodeOne(v: Version, packet: OraclePacket, fields: ConnectFields = {}): Packet {
  const decoder = new PacketDecoder({ packetBytesMax: 1 << 20 });
  const bytes = generate(packet, { protocolVersion: v });
  decoder.push(Buffer.concat([connect(v, fields), bytes, PINGREQ]));
  assert.equal(decoder.next()?.kind, 'connect');
  const decoded = decoder.next();
  assert.ok(decoded !== undefined && decoded.kind !== 'fault', JSON.stringify(decoded));
  return decoded;
}

function pairs(of: object | undefined): [string, string][] {
  return Object.entries(of ?? {});
}

test('CONNECT', () => {
  const arbitrary = version.chain(connectPacket);
  fc.assert(
    fc.property(arbitrary, (packet) => {
      const decoded = firstOf(generate(packet));
      assert.ok(decoded.kind === 'connect', JSON.stringify(decoded));
      const { properties = {}, will } = packet;
      const neverEnds = packet.protocolVersion === 4 && packet.clean === false;
      assert.deepEqual(
        { ...decoded, will: undefined },
        {
          kind: 'connect',
          protocolVersion: packet.protocolVersion,
          cleanStart: packet.clean,
          keepAliveSeconds: packet.keepalive,
          clientIdentifier: packet.clientId,
          userName: packet.username,
          password: packet.password,
          will: undefined,
          sessionExpiryIntervalSeconds:
            properties.sessionExpiryInterval ?? (neverEnds ? 0xffffffff : 0),
          receiveMaximum: properties.receiveMaximum ?? 65_535,
          maximumPacketSize: properties.maximumPacketSize ?? 0xffffffff,
          topicAliasMaximum: properties.topicAliasMaximum ?? 0,
          requestResponseInformation: properties.requestResponseInformation ?? false,
          requestProblemInformation: properties.requestProblemInformation ?? true,
          authenticationMethod: properties.authenticationMethod,
          authenticationData: properties.authenticationData,
          userProperties: pairs(properties.userProperties),
        },
      );
      assert.equal(decoded.will?.topic, will?.topic);
      assert.deepEqual(decoded.will?.payload, will?.payload);
      assert.equal(decoded.will?.qos, will?.qos);
      assert.equal(decoded.will?.retain, will?.retain);
      assert.equal(
        decoded.will?.willDelayIntervalSeconds,
        will === undefined ? undefined : (will.properties?.willDelayInterval ?? 0),
      );
    }),
    RUNS,
  );
});

test('[MQTT-3.1.3-10] the will keeps its properties in the form of a PUBLISH', () => {
  fc.assert(
    fc.property(connectPacket(5), (packet) => {
      const decoded = firstOf(generate(packet));
      assert.ok(decoded.kind === 'connect');
      if (decoded.will === undefined || packet.will === undefined) return;
      const {
        willDelayInterval: _1,
        messageExpiryInterval: expiry,
        ...kept
      } = packet.will.properties ?? {};
      const as = { cmd: 'publish', topic: 't', payload: '', qos: 0, dup: false, retain: false };
      const bytes = generate({ ...as, properties: kept } as OraclePacket, { protocolVersion: 5 });
      const { publishProperties } = decoded.will;
      const topicAndProperties = Buffer.concat([Buffer.from([0, 1, 0x74]), publishProperties]);
      assert.deepEqual(topicAndProperties, bytes.subarray(-topicAndProperties.length));
      assert.equal(decoded.will.messageExpiryIntervalSeconds, expiry ?? -1);
    }),
    RUNS,
  );
});

test('PUBLISH', () => {
  const arbitrary = version.chain((v) => fc.tuple(fc.constant(v), publishPacket(v)));
  fc.assert(
    fc.property(arbitrary, ([v, packet]) => {
      const view = decodeOne(v, packet);
      assert.ok(view.kind === 'publish');
      assert.equal(topicOf(view), packet.topic);
      assert.deepEqual(view.buffer.subarray(view.payloadStart, view.end), packet.payload);
      assert.equal(view.qos, packet.qos);
      assert.equal(view.retain, packet.retain);
      assert.equal(view.dup, packet.dup);
      assert.equal(view.packetIdentifier, packet.qos === 0 ? 0 : packet.messageId);
      const expiry = packet.properties?.messageExpiryInterval;
      assert.equal(view.messageExpiryIntervalSeconds, expiry ?? -1);
      assert.equal(view.propertiesForwardable, expiry === undefined);
      assert.equal(view.topicAlias, 0);
      assert.equal(v === 4, view.propertiesStart === view.payloadStart);
    }),
    RUNS,
  );
});

test('SUBSCRIBE', () => {
  const arbitrary = version.chain((v) => fc.tuple(fc.constant(v), subscribePacket(v)));
  fc.assert(
    fc.property(arbitrary, ([v, packet]) => {
      assert.deepEqual(decodeOne(v, packet), {
        kind: 'subscribe',
        packetIdentifier: packet.messageId,
        subscriptionIdentifier: packet.properties?.subscriptionIdentifier ?? 0,
        subscriptions: packet.subscriptions.map((of) => ({
          topicFilter: of.topic,
          qos: of.qos,
          noLocal: of.nl ?? false,
          retainAsPublished: of.rap ?? false,
          retainHandling: of.rh ?? 0,
        })),
        userProperties: pairs(packet.properties?.userProperties),
      });
    }),
    RUNS,
  );
});

test('UNSUBSCRIBE', () => {
  const arbitrary = version.chain((v) => fc.tuple(fc.constant(v), unsubscribePacket(v)));
  fc.assert(
    fc.property(arbitrary, ([v, packet]) => {
      assert.deepEqual(decodeOne(v, packet), {
        kind: 'unsubscribe',
        packetIdentifier: packet.messageId,
        topicFilters: packet.unsubscriptions,
        userProperties: pairs(packet.properties?.userProperties),
      });
    }),
    RUNS,
  );
});

test('acknowledgements, short and long', () => {
  for (const cmd of ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const) {
    const code = cmd === 'puback' || cmd === 'pubrec' ? 0x97 : 0x92;
    const plain = decodeOne(4, { cmd, messageId: 515 });
    assert.deepEqual({ ...plain }, { kind: cmd, packetIdentifier: 515, reasonCode: 0 });
    for (const properties of [{}, { reasonString: 'full', userProperties: { a: 'b' } }]) {
      const long = decodeOne(5, { cmd, messageId: 65_535, reasonCode: code, properties });
      assert.deepEqual({ ...long }, { kind: cmd, packetIdentifier: 65_535, reasonCode: code });
    }
  }
});

test('PINGREQ, DISCONNECT and AUTH', () => {
  assert.deepEqual(decodeOne(4, { cmd: 'pingreq' }), { kind: 'pingreq' });
  const stays = { properties: propertyBytes(property(0x11, u32(60))) };
  const reason = { reasonString: 'bye', userProperties: { a: 'b' } };
  const ended = { kind: 'disconnect', reasonString: undefined, userProperties: [] };
  assert.deepEqual(decodeOne(4, { cmd: 'disconnect' }), {
    ...ended,
    reasonCode: 0,
    sessionExpiryIntervalSeconds: -1,
  });
  const properties = { sessionExpiryInterval: 7, ...reason };
  assert.deepEqual(decodeOne(5, { cmd: 'disconnect', reasonCode: 4, properties }, stays), {
    kind: 'disconnect',
    reasonCode: 4,
    sessionExpiryIntervalSeconds: 7,
    reasonString: 'bye',
    userProperties: [['a', 'b']],
  });
  const authenticationData = Buffer.from([0, 1, 255]);
  const method = Buffer.from('M');
  const named = { properties: propertyBytes(property(0x15, Buffer.from([0, 1, ...method]))) };
  const auth = { authenticationMethod: 'M', authenticationData, ...reason };
  assert.deepEqual(decodeOne(5, { cmd: 'auth', reasonCode: 0x19, properties: auth }, named), {
    kind: 'auth',
    reasonCode: 0x19,
    authenticationMethod: 'M',
    authenticationData,
    reasonString: 'bye',
    userProperties: [['a', 'b']],
  });
});
