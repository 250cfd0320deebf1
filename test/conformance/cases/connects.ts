/**
 * Cases of CONNECT, CONNACK and what they agree on, by statement.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  connect,
  disconnect,
  field,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u32,
} from '../../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields, Version } from '../../fixtures/mqtt-client-encoder.ts';
import { recordBytes, stays } from '../clients.ts';
import type { Clients } from '../clients.ts';
import type { StatementCase } from '../statement-case.ts';

/** Codes of MQTT 5 §3.2.2.2, and return codes of 3.1.1 §3.2.2.3. */
const CONNACK_CODES = {
  5: [
    0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
    0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
  ],
  4: [0, 1, 2, 3, 4, 5],
} as const;

/** CONNECTs that must be refused, whatever the client's rights. */
function refusedConnects(clients: Clients, version: Version): Buffer[] {
  const refused: ConnectFields[] = [
    { clientIdentifier: 'line\nbreak' },
    { clientIdentifier: 'x'.repeat(1_000) },
    { clientIdentifier: clients.name('will'), will: { topic: '$SYS/will' } },
    { clientIdentifier: clients.name('flag'), flags: 0x03 },
    { clientIdentifier: clients.name('level'), level: 6 },
    { clientIdentifier: clients.name('name'), protocolName: 'MQXX' },
    { clientIdentifier: clients.name('rest'), extra: Buffer.from([1]) },
    { clientIdentifier: Buffer.from([0xff]) },
    { clientIdentifier: clients.name('topic'), will: { topic: 'a/#' } },
  ];
  return refused.map((fields) => connect(version, fields));
}

export const CONNECT_CASES: readonly StatementCase[] = [
  {
    v5: ['4.2-1', '3.1.4-5'],
    v4: ['7.0.0-2', '7.1.1-1', '3.1.4-4'],
    says: 'a plain client connects over TCP, subscribes, publishes and is served',
    async run(clients, version) {
      const topic = clients.name('plain');
      const { probe } = await clients.open(version);
      probe.send(subscribe(version, [[topic, 0]]));
      await probe.expect('suback');
      probe.send(publish(version, { topic }));
      assert.equal((await probe.expect('publish')).topic, topic);
      probe.send(disconnect());
      assert.deepEqual(await probe.closed(), []);
    },
  },
  {
    v5: ['3.1.2-1', '3.2.2-7', '3.2.2-8', '3.14.0-1', '4.13.2-1'],
    v4: ['3.1.2-1', '3.1.2-11', '3.2.2-5'],
    says: 'a refused CONNECT ends with CONNACK and a code of the table, or without a word',
    async run(clients, version) {
      for (const bytes of refusedConnects(clients, version)) {
        const probe = await clients.socket(version);
        const received = recordBytes(probe);
        probe.send(bytes);
        const packets = await probe.closed();
        assert.ok(packets.length <= 1);
        const codes: readonly number[] = CONNACK_CODES[version];
        for (const packet of packets) {
          assert.equal(packet.cmd, 'connack');
          // In the form of the client's version, or of the one that it names.
          const code = received()[3] ?? 0;
          assert.notEqual(code, 0);
          assert.ok(codes.includes(code) || CONNACK_CODES[5].some((known) => known === code));
          assert.equal(received()[2], 0, 'no session is present');
        }
      }
    },
  },
  {
    v5: ['3.1.4-6'],
    v4: ['3.1.4-5'],
    says: 'what stands behind a refused CONNECT has no effect',
    async run(clients, version) {
      const topic = clients.name('behind');
      const behind = publish(version, { topic, qos: 1, retain: true });
      const fields = { clientIdentifier: 'line\nbreak' };
      const probe = await clients.socket(version);
      probe.send(connect(version, fields), behind);
      assert.ok((await probe.closed()).every((packet) => packet.cmd === 'connack'));
      const late = await clients.subscribed(version, {}, topic);
      await clients.nothing(late, topic);
    },
  },
  {
    v5: ['3.2.2-1', '3.2.2-2', '3.2.2-3'],
    says: 'flags of CONNACK are 0 or 1, and tell of the session',
    async run(clients) {
      const flags: (number | undefined)[] = [];
      for (const cleanStart of [true, false, false, true]) {
        const probe = await clients.socket(5, 'flags');
        const received = recordBytes(probe);
        const fields = { ...stays(clients.name('flags'), 5), cleanStart };
        probe.send(connect(5, fields));
        await probe.expect('connack');
        flags.push(received()[2]);
        probe.send(disconnect());
        await probe.closed();
      }
      assert.deepEqual(flags, [0, 1, 1, 0]);
    },
  },
  {
    v5: ['3.2.2-6', '3.1.4-2'],
    v4: ['3.2.2-4'],
    says: 'a CONNECT without rights is refused with session present 0, stored session or not',
    async run(clients, version) {
      const fields = stays('held', version);
      (await clients.open(version, fields)).probe.destroy();
      const { probe, connack } = await clients.ask(version, {
        ...fields,
        will: { topic: '$SYS/will' },
      });
      assert.equal(connack.sessionPresent, false);
      assert.equal(connack.reasonCode ?? connack.returnCode, version === 5 ? 0x87 : 5);
      assert.deepEqual(await probe.closed(), []);
      assert.equal((await clients.open(version, fields)).connack.sessionPresent, true);
    },
  },
  {
    v5: ['3.2.0-2', '3.1.0-2', '3.1.2-8'],
    v4: ['3.1.0-2', '3.1.2-8'],
    says: 'a second CONNECT gets no CONNACK, ends the connection and lets the will out',
    async run(clients, version) {
      const topic = clients.name('second');
      const watcher = await clients.subscribed(version, {}, topic);
      const will = { topic, payload: Buffer.from('will'), qos: 1 };
      const { probe } = await clients.open(version, { will });
      probe.send(connect(version, { clientIdentifier: clients.name('other') }));
      const packets = await probe.closed();
      assert.deepEqual(
        packets.map((packet) => packet.cmd),
        version === 5 ? ['disconnect'] : [],
      );
      assert.equal(String((await watcher.expect('publish')).payload), 'will');
    },
  },
  {
    v5: ['3.1.3-5'],
    v4: ['3.1.3-5'],
    says: 'identifiers of 1 and of 23 letters and digits are taken',
    async run(clients, version) {
      const long = randomBytes(12).toString('hex').slice(1);
      for (const text of [version === 5 ? 'V' : 'v', long.toUpperCase(), `${version}123456789aZ`]) {
        await clients.open(version, { clientIdentifier: Buffer.from(text) });
      }
    },
  },
  {
    v5: ['3.1.3-6', '3.1.3-7', '3.2.2-16'],
    v4: ['3.1.3-6'],
    says: 'empty identifiers become different ones; an assigned one may be used again',
    async run(clients, version) {
      const one = await clients.open(version, { clientIdentifier: '' });
      const two = await clients.open(version, { clientIdentifier: '' });
      for (const { probe } of [one, two]) {
        probe.send(PINGREQ);
        await probe.expect('pingresp');
      }
      if (version === 4) return;
      const assigned = one.connack.properties?.assignedClientIdentifier ?? '';
      assert.ok(assigned !== '');
      assert.notEqual(assigned, two.connack.properties?.assignedClientIdentifier);
      await clients.open(5, { clientIdentifier: Buffer.from(assigned) });
      assert.equal((await one.probe.expect('disconnect')).reasonCode, 0x8e);
    },
  },
  {
    v5: ['3.1.3-2'],
    v4: ['3.1.3-2'],
    says: 'sessions of two identifiers are two, of one identifier one',
    async run(clients, version) {
      const [a, b] = [clients.name('a'), clients.name('b')];
      (await clients.subscribed(version, stays('a', version), a)).destroy();
      (await clients.subscribed(version, stays('b', version), b)).destroy();
      await clients.send(a, 1, 'for a');
      await clients.send(b, 1, 'for b');
      for (const name of ['a', 'b']) {
        const { probe, connack } = await clients.open(version, stays(name, version));
        assert.equal(connack.sessionPresent, true);
        const message = await probe.expect('publish');
        assert.equal(String(message.payload), `for ${name}`);
      }
    },
  },
  {
    v5: ['3.1.3-1'],
    v4: ['3.1.3-1'],
    says: 'fields of CONNECT are read in their order, whichever are there',
    async run(clients, version) {
      const topic = clients.name('fields');
      const watcher = await clients.subscribed(version, {}, topic);
      const userName = 'somebody';
      for (const extra of [{}, { userName }, { userName, password: Buffer.alloc(0) }]) {
        await clients.open(version, extra);
        const will = { topic, payload: Buffer.from(Object.keys(extra).join()), qos: 1 };
        (await clients.open(version, { will, ...extra })).probe.destroy();
        const message = await watcher.expect('publish');
        assert.equal(String(message.payload), Object.keys(extra).join());
        watcher.send(Buffer.from([0x40, 2, 0, message.messageId ?? 0]));
      }
    },
  },
  {
    v5: ['3.1.4-3'],
    v4: ['3.1.4-2'],
    says: 'a second connection of an identifier ends the first, and is served',
    async run(clients, version) {
      const first = await clients.open(version, { clientIdentifier: 'twice' });
      const second = await clients.open(version, { clientIdentifier: 'twice' });
      const last = await first.probe.closed();
      assert.deepEqual(
        last.map((packet) => packet.cmd),
        version === 5 ? ['disconnect'] : [],
      );
      second.probe.send(PINGREQ);
      await second.probe.expect('pingresp');
    },
  },
  {
    v5: ['3.1.2-22', '3.2.2-22'],
    v4: ['3.1.2-24'],
    says: 'silence of 1.5 keep alives ends the connection, not less, and lets the will out',
    async run(clients, version) {
      const topic = clients.name('silence');
      const watcher = await clients.subscribed(version, {}, topic);
      const will = { topic, payload: Buffer.from('silent'), qos: 1 };
      const { probe, connack } = await clients.open(version, { will, keepAliveSeconds: 1 });
      assert.equal(connack.properties?.serverKeepAlive, undefined);
      const before = performance.now();
      const packets = await probe.closed();
      const seconds = (performance.now() - before) / 1_000;
      assert.ok(seconds > 1.4 && seconds < 5, `${seconds} s`);
      if (version === 5) assert.ok(packets[0]?.cmd === 'disconnect');
      assert.equal(String((await watcher.expect('publish')).payload), 'silent');
    },
  },
  {
    v5: ['4.1.0-1'],
    v4: ['4.1.0-2'],
    says: 'a session without expiry lives as long as its connection, however quiet',
    async run(clients, version) {
      const topic = clients.name('quiet');
      const probe = await clients.subscribed(version, { keepAliveSeconds: 3 }, topic);
      for (let i = 0; i < 2; i++) {
        await clients.silence(1);
        probe.send(PINGREQ);
        await probe.expect('pingresp');
      }
      await clients.nothing(probe, topic);
    },
  },
  {
    v5: ['4.1.0-2', '3.1.2-23'],
    says: 'a session ends when its expiry is over, and its will is published then',
    async run(clients) {
      const topic = clients.name('expiry');
      const watcher = await clients.subscribed(5, {}, topic);
      const fields = {
        clientIdentifier: 'expiry',
        cleanStart: false,
        properties: properties(property(0x11, u32(1))),
        will: {
          topic,
          payload: Buffer.from('over'),
          qos: 1,
          properties: properties(property(0x18, u32(60))),
        },
      };
      (await clients.open(5, fields)).probe.destroy();
      const before = performance.now();
      assert.equal(String((await watcher.expect('publish')).payload), 'over');
      assert.ok(performance.now() - before > 900);
      assert.equal((await clients.open(5, fields)).connack.sessionPresent, false);
    },
  },
  {
    v5: ['3.1.2-28', '4.12.0-6'],
    says: 'CONNACK says nothing of response information or methods that nobody asked for',
    async run(clients) {
      for (const list of [properties(), properties(property(0x19, Buffer.from([0])))]) {
        const { connack } = await clients.open(5, { properties: list });
        assert.equal(connack.properties?.responseInformation, undefined);
        assert.equal(connack.properties?.authenticationMethod, undefined);
        assert.equal(connack.properties?.authenticationData, undefined);
      }
    },
  },
  {
    v5: ['3.1.2-30', '4.12.0-4', '4.12.0-1'],
    says: 'a login that fails ends in a refusal; what was sent in the middle of it has no effect',
    async run(clients) {
      const topic = clients.name('login');
      for (const method of ['CUSTOM-JWT', 'unheard of']) {
        const probe = await clients.socket(5);
        const list = properties(property(0x15, field(method)), property(0x16, field('x')));
        const early = publish(5, { topic, retain: true });
        probe.send(connect(5, { clientIdentifier: clients.name('l'), properties: list }), early);
        const packets = await probe.closed();
        assert.deepEqual(
          packets.map((packet) => packet.cmd),
          ['connack'],
        );
      }
      await clients.nothing(await clients.subscribed(5, {}, topic), topic);
    },
  },
];
