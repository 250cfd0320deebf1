/**
 * Cost of the codecs per message: decoding reads of 64 KiB, writing PUBLISH and PUBACK; putting
 * messages into a log record and reading them back.
 *
 * Run: node loadtest/codec-bench.ts        Prints ns per packet: min and median of the rounds.
 */
import { cpus } from 'node:os';
import { messageLength, RecordBuilder, RecordReader } from '#log';
import {
  DeliveryOptions,
  encodedQos0,
  PacketDecoder,
  publishLength,
  PublishView,
  topicKeyOf,
  writePuback,
  writePublish,
} from '#mqtt';

const READ_BYTES = 64 * 1024;
const ROUNDS = 15;
const PAYLOAD = Buffer.alloc(64, 'x');
const TOPIC = 'site/7/floor/3/temp';

function connect(level: 4 | 5): Buffer {
  const head = [0, 4, 0x4d, 0x51, 0x54, 0x54, level, 2, 0, 60];
  const body = Buffer.from([...head, ...(level === 5 ? [0] : []), 0, 1, 0x61]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

function publish(level: 4 | 5, qos: 0 | 1, properties: number[]): Buffer {
  const topic = Buffer.from(TOPIC);
  const body = Buffer.concat([
    Buffer.from([0, topic.length]),
    topic,
    Buffer.from(qos === 0 ? [] : [0x12, 0x34]),
    Buffer.from(level === 5 ? [properties.length, ...properties] : []),
    PAYLOAD,
  ]);
  return Buffer.concat([Buffer.from([0x30 | (qos << 1), body.length]), body]);
}

function rounds(name: string, packets: number, run: () => number): void {
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS + 10; round++) {
    const start = performance.now();
    const sum = run();
    const ns = ((performance.now() - start) * 1e6) / packets;
    if (sum < 0) throw new Error('cannot be');
    if (round >= 10) costs.push(ns);
  }
  costs.sort((a, b) => a - b);
  const min = costs[0] as number;
  const median = costs[ROUNDS >> 1] as number;
  console.log(`${name.padEnd(44)} ${min.toFixed(1).padStart(7)} ${median.toFixed(1).padStart(7)}`);
}

/** Reads of 64 KiB that cut packets anywhere, as a socket gives them. */
function benchDecode(name: string, level: 4 | 5, packet: Buffer): void {
  const reads = 16;
  const count = Math.floor((READ_BYTES * reads) / packet.length);
  const stream = Buffer.concat(Array.from({ length: count }, () => packet));
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; at += READ_BYTES) {
    chunks.push(stream.subarray(at, at + READ_BYTES));
  }
  const decoder = new PacketDecoder({ packetBytesMax: 1 << 20 });
  decoder.push(connect(level));
  decoder.next();
  decoder.next();
  rounds(name, count, () => {
    let decoded = 0;
    for (const chunk of chunks) {
      decoder.push(chunk);
      for (let p = decoder.next(); p !== undefined; p = decoder.next()) {
        if (p.kind === 'fault') throw new Error(p.detail);
        decoded++;
      }
    }
    if (decoded !== count) throw new Error(`${decoded} of ${count}`);
    return decoded;
  });
}

/** A view as a log record gives it: properties always there. */
function recordView(): PublishView {
  const bytes = publish(5, 0, []);
  const decoder = new PacketDecoder({ packetBytesMax: 1 << 20 });
  decoder.push(Buffer.concat([connect(5), bytes]));
  decoder.next();
  const view = decoder.next();
  if (!(view instanceof PublishView)) throw new Error('no PUBLISH');
  return view;
}

function benchWrites(): void {
  const count = 8192;
  const view = recordView();
  const out = Buffer.alloc(1 << 20);
  const options = new DeliveryOptions();
  const write = (name: string, version: 4 | 5, qos: 0 | 1): void =>
    rounds(name, count, () => {
      let at = 0;
      for (let i = 0; i < count; i++) {
        if (at + publishLength(view, version, qos, options) > out.length) at = 0;
        options.packetIdentifier = i + 1;
        at = writePublish(out, at, view, version, qos, options);
      }
      return at;
    });
  write('write PUBLISH, 3.1.1, QoS 0', 4, 0);
  write('write PUBLISH, 3.1.1, QoS 1', 4, 1);
  write('write PUBLISH, 5.0, QoS 0', 5, 0);
  write('write PUBLISH, 5.0, QoS 1', 5, 1);
  options.messageExpiryIntervalSeconds = 60;
  options.subscriptionIdentifiers = [7];
  write('write PUBLISH, 5.0, QoS 1, expiry and id', 5, 1);
  rounds('shared QoS 0 packet, cached', count, () => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += encodedQos0(view, 5, false, -1).length;
    return sum;
  });
  rounds('shared QoS 0 packet, made', count, () => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      view.encodedV5 = undefined;
      sum += encodedQos0(view, 5, false, -1).length;
    }
    return sum;
  });
  rounds('write PUBACK', count, () => {
    let at = 0;
    for (let i = 0; i < count; i++) at = writePuback(out, at, (i & 0xffff) + 1, 5, 0);
    return at;
  });
  rounds('topic key', count, () => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += topicKeyOf(view).length;
    return sum;
  });
}

const RECORD_MESSAGES = 256;

/** A record of QoS 1 messages; what a QoS 2 key costs must not show here. */
function benchRecords(): void {
  const records = 32;
  const count = records * RECORD_MESSAGES;
  const view = recordView();
  view.qos = 1;
  const builder = new RecordBuilder();
  const build = (number: number): Buffer => {
    for (let i = 0; i < RECORD_MESSAGES; i++) {
      builder.add(view, messageLength(view), 0, i, false);
    }
    return builder.take(number, 0);
  };
  rounds('put into a record', count, () => {
    let bytes = 0;
    for (let i = 0; i < records; i++) bytes += build(i).length;
    return bytes;
  });
  const record = build(1);
  rounds('read from a record', count, () => {
    let sum = 0;
    for (let i = 0; i < records; i++) {
      const reader = new RecordReader(record);
      while (reader.next() >= 0) sum += reader.view.end;
    }
    return sum;
  });
}

console.log(`${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}`);
console.log(`${'64 byte payload, ns per packet'.padEnd(44)}     min  median`);
benchDecode('decode PUBLISH, 3.1.1, QoS 0', 4, publish(4, 0, []));
benchDecode('decode PUBLISH, 3.1.1, QoS 1', 4, publish(4, 1, []));
benchDecode('decode PUBLISH, 5.0, QoS 1', 5, publish(5, 1, []));
benchDecode('decode PUBLISH, 5.0, QoS 1, expiry', 5, publish(5, 1, [2, 0, 0, 0, 60]));
benchDecode('decode PUBACK', 5, Buffer.from([0x40, 2, 0x12, 0x34]));
benchWrites();
benchRecords();
