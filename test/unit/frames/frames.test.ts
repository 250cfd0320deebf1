/** Frames: ranges and answers come out as they went in; damage is a Fault; sizes keep limits. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '#base';
import type { Bus } from '#bus';
import {
  decodePositions,
  encodePositions,
  FRAME_BYTES_MAX,
  FRAME_ENVELOPE_BYTES,
  FrameChannel,
  FrameReaders,
  type FrameSink,
  type GroupReader,
  type OwnerMessage,
  type PageReader,
  type QueuePageReader,
  type RangeReader,
  readFrame,
} from '#frames';
import { messageLength, RecordBuilder, RecordReader } from '#log';
import { payloadTextOf, publishView } from '../../fixtures/publish-view.ts';

const PAYLOAD_BYTES_MAX = 1024 * 1024;

interface Range {
  readonly t: 'range';
  readonly partition: number;
  readonly epoch: number;
  readonly from: number;
  readonly checkpoint: number;
  readonly beacon: number;
  readonly answers: number;
  readonly messages: readonly { position: number; payload: string; fromHere: boolean }[];
  readonly to: number;
}

interface QueuePage {
  readonly t: 'queue page';
  readonly partition: number;
  readonly epoch: number;
  readonly request: number;
  readonly upTo: number;
  readonly last: boolean;
  readonly messages: readonly { position: number; payload: string }[];
}

interface Group {
  readonly t: 'group';
  readonly partition: number;
  readonly epoch: number;
  readonly number: number;
  readonly group: string;
  readonly messages: readonly { position: number; payload: string }[];
}

interface Page {
  readonly t: 'page';
  readonly partition: number;
  readonly epoch: number;
  readonly request: number;
  readonly page: number;
  readonly last: boolean;
  readonly restart: boolean;
  readonly messages: readonly { position: number; payload: string }[];
}

const position = fc.integer({ min: 0, max: 2 ** 52 });
const range: fc.Arbitrary<Range> = fc.record({
  t: fc.constant('range' as const),
  partition: fc.nat(98),
  epoch: fc.nat(2 ** 40),
  from: position,
  checkpoint: position,
  beacon: fc.integer({ min: 0, max: 0xffffffff }),
  answers: fc.integer({ min: 0, max: 0xffffffff }),
  messages: fc.array(
    fc.record({ position, payload: fc.string({ maxLength: 50 }), fromHere: fc.boolean() }),
    { maxLength: 10 },
  ),
  to: position,
});
const page: fc.Arbitrary<Page> = fc.record({
  t: fc.constant('page' as const),
  partition: fc.nat(98),
  epoch: fc.nat(2 ** 40),
  request: fc.integer({ min: 0, max: 0xffffffff }),
  page: fc.integer({ min: 0, max: 0xffffffff }),
  last: fc.boolean(),
  restart: fc.boolean(),
  messages: fc.array(fc.record({ position, payload: fc.string({ maxLength: 50 }) }), {
    maxLength: 10,
  }),
});
const queuePage: fc.Arbitrary<QueuePage> = fc.record({
  t: fc.constant('queue page' as const),
  partition: fc.nat(98),
  epoch: fc.nat(2 ** 40),
  request: fc.integer({ min: 0, max: 0xffffffff }),
  upTo: position,
  last: fc.boolean(),
  messages: fc.array(fc.record({ position, payload: fc.string({ maxLength: 50 }) }), {
    maxLength: 10,
  }),
});
const group: fc.Arbitrary<Group> = fc.record({
  t: fc.constant('group' as const),
  partition: fc.nat(98),
  epoch: fc.nat(2 ** 40),
  number: fc.integer({ min: 0, max: 0xffffffff }),
  group: fc.string({ unit: 'grapheme', maxLength: 40 }),
  messages: fc.array(fc.record({ position, payload: fc.string({ maxLength: 50 }) }), {
    maxLength: 10,
  }),
});
const answer: fc.Arbitrary<OwnerMessage> = fc.oneof(
  fc.record({ t: fc.constant('hello' as const), p: fc.nat(98), epoch: fc.nat() }),
  fc.record({ t: fc.constant('welcome' as const), p: fc.nat(98), epoch: fc.nat(), position }),
  fc.record({
    t: fc.constant('claims' as const),
    p: fc.nat(98),
    epoch: fc.nat(),
    decisions: fc.array(
      fc.oneof(
        fc.record({
          connection: fc.nat(),
          released: fc.constant(true as const),
          revision: fc.nat(),
        }),
        fc.record({
          connection: fc.nat(),
          granted: fc.constant(true as const),
          rank: fc.tuple(fc.nat(), fc.nat()),
        }),
      ),
    ),
  }),
);

function newChannel(): { channel: FrameChannel; frames: Buffer[] } {
  const frames: Buffer[] = [];
  const bus: Pick<Bus, 'publish' | 'payloadBytesMax'> = {
    payloadBytesMax: PAYLOAD_BYTES_MAX,
    publish: (_subject, payload) => frames.push(Buffer.from(payload)) > 0,
  };
  return { channel: new FrameChannel(bus as Bus, 'g1'), frames };
}

/** A record of one message with publisher 7. */
function recordOf(payload: string | Buffer): RecordReader {
  const builder = new RecordBuilder();
  const view = publishView({ topic: 'topic', payload });
  builder.add(view, messageLength(view), 0, 7, false);
  const reader = new RecordReader(builder.take(1, 0));
  reader.next();
  return reader;
}

function put(channel: FrameChannel, section: Section): void {
  if (section.t === 'group') {
    const entries = section.messages.map(({ position, payload }) => {
      const { view, messageStart, messageEnd } = recordOf(payload);
      return { position, message: view.buffer.subarray(messageStart, messageEnd) };
    });
    return channel.addGroup(section, entries);
  }
  if (section.t === 'page' || section.t === 'queue page') {
    const entries = section.messages.map(({ position, payload }) => {
      const { view, messageStart, messageEnd } = recordOf(payload);
      const entry = Buffer.alloc(8 + messageEnd - messageStart);
      entry.writeDoubleBE(position, 0);
      view.buffer.copy(entry, 8, messageStart, messageEnd);
      return entry;
    });
    if (section.t === 'queue page') return channel.addQueuePage(section, entries);
    return channel.addPage(section, entries);
  }
  if (section.t !== 'range') return channel.addAnswer(section);
  channel.openRange(section);
  for (const message of section.messages) {
    const { view, messageStart, messageEnd } = recordOf(message.payload);
    channel.addMessage(message.position, view.buffer, messageStart, messageEnd, message.fromHere);
  }
  channel.closeRange(section.to);
}

type Section = Range | OwnerMessage | Page | QueuePage | Group;

class Collector implements FrameSink {
  readonly sections: Section[] = [];

  onRange(r: RangeReader): void {
    const messages: { position: number; payload: string; fromHere: boolean }[] = [];
    while (r.next()) {
      const { publisherConnection } = r.view;
      assert.ok(publisherConnection === 7 || publisherConnection === 0);
      messages.push({
        position: r.position,
        payload: payloadTextOf(r.view),
        fromHere: publisherConnection === 7,
      });
    }
    const { partition, epoch, from, checkpoint, beacon, answers, to } = r;
    const head = { partition, epoch, from, checkpoint, beacon, answers };
    this.sections.push({ t: 'range', ...head, messages, to });
  }
  onAnswer(message: OwnerMessage): void {
    this.sections.push(message);
  }
  onPage(p: PageReader): void {
    const messages = messagesOf(p);
    const { partition, epoch, request, page, last, restart } = p;
    this.sections.push({ t: 'page', partition, epoch, request, page, last, restart, messages });
  }
  onQueuePage(p: QueuePageReader): void {
    const messages = messagesOf(p);
    const { partition, epoch, request, upTo, last } = p;
    this.sections.push({ t: 'queue page', partition, epoch, request, upTo, last, messages });
  }
  onGroup(g: GroupReader): void {
    const messages = messagesOf(g);
    const { partition, epoch, number, group } = g;
    this.sections.push({ t: 'group', partition, epoch, number, group, messages });
  }
}

function messagesOf(
  p: PageReader | QueuePageReader | GroupReader,
): { position: number; payload: string }[] {
  const messages: { position: number; payload: string }[] = [];
  while (p.next()) {
    messages.push({ position: p.position, payload: payloadTextOf(p.view) });
  }
  return messages;
}

describe('lists of positions', () => {
  it('come out ascending', () => {
    fc.assert(
      fc.property(fc.array(position), (positions) => {
        const list = decodePositions(encodePositions(positions));
        assert.deepEqual(
          list,
          positions.toSorted((a, b) => a - b),
        );
      }),
    );
  });
});

describe('frames', () => {
  it('give back sections in their order', () => {
    const sections = fc.array(fc.oneof(range, answer, page, queuePage, group), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(sections, (wanted) => {
        const { channel, frames } = newChannel();
        for (const section of wanted) put(channel, section);
        channel.flush();
        const collector = new Collector();
        for (const frame of frames) readFrame(frame, new FrameReaders(), collector);
        assert.deepEqual(collector.sections, structuredClone(wanted));
      }),
    );
  });

  it('pass over sections of a later version', () => {
    const { channel, frames } = newChannel();
    const hello = { t: 'hello', p: 1, epoch: 2 } as const;
    channel.addAnswer({ t: 'later', p: 1, epoch: 2 });
    channel.addAnswer(hello);
    channel.flush();
    const later = Buffer.from([1, 99, 0, 0, 0, 3, 7, 7, 7]);
    const frame = Buffer.concat([later, (frames[0] as Buffer).subarray(1)]);
    const collector = new Collector();
    readFrame(frame, new FrameReaders(), collector);
    assert.deepEqual(collector.sections, [hello]);
  });

  it('answer damage with a Fault', () => {
    const sections = fc.array(fc.oneof(range, answer, page, queuePage, group), {
      minLength: 1,
      maxLength: 4,
    });
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(sections, fc.nat(), flips, (wanted, cut, changes) => {
        const { channel, frames } = newChannel();
        for (const section of wanted) put(channel, section);
        channel.flush();
        const whole = frames[0] as Buffer;
        const frame = Buffer.from(whole.subarray(0, cut % (whole.length + 1)));
        for (const [at, value] of changes) if (frame.length > 0) frame[at % frame.length] = value;
        const sink: FrameSink = {
          onRange: (r) => {
            while (r.next()) assert.ok(r.view.end <= frame.length);
          },
          onAnswer: ({ t }) => assert.equal(typeof t, 'string'),
          onPage: (p) => {
            while (p.next()) assert.ok(p.view.end <= frame.length);
          },
          onQueuePage: (p) => {
            while (p.next()) assert.ok(p.view.end <= frame.length);
          },
          onGroup: (g) => {
            while (g.next()) assert.ok(g.view.end <= frame.length);
          },
        };
        try {
          readFrame(frame, new FrameReaders(), sink);
        } catch (fault) {
          assert.ok(fault instanceof Fault, String(fault));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('are never larger than NATS takes, with messages of any size', () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: 2_000 }),
      fc.integer({ min: 0, max: PAYLOAD_BYTES_MAX - 1_000 }),
    );
    fc.assert(
      fc.property(fc.array(size, { maxLength: 8 }), (sizes) => {
        const { channel, frames } = newChannel();
        const header = { partition: 0, epoch: 1, from: 0, checkpoint: 0, beacon: 0, answers: 0 };
        for (const bytes of sizes) {
          const { view, messageStart, messageEnd } = recordOf(Buffer.alloc(bytes));
          const length = messageEnd - messageStart;
          assert.ok(!channel.cannotSend(length));
          if (!channel.takes(length)) {
            if (channel.isOpen(0)) channel.closeRange(1);
            channel.flush();
          }
          if (!channel.isOpen(0)) channel.openRange(header);
          channel.addMessage(1, view.buffer, messageStart, messageEnd, true);
        }
        if (channel.isOpen(0)) channel.closeRange(1);
        channel.flush();
        for (const frame of frames) assert.ok(frame.length <= PAYLOAD_BYTES_MAX);
        const joint = frames.filter((frame) => frame.length > FRAME_BYTES_MAX);
        for (const frame of joint) {
          const collector = new Collector();
          readFrame(frame, new FrameReaders(), collector);
          const [only] = collector.sections;
          assert.ok(only?.t === 'range' && only.messages.length === 1, 'a large one goes alone');
        }
      }),
      { numRuns: 50 },
    );
    const { channel } = newChannel();
    assert.ok(channel.cannotSend(PAYLOAD_BYTES_MAX - FRAME_ENVELOPE_BYTES + 1));
  });

  it('send many answers as several frames', () => {
    const { channel, frames } = newChannel();
    const decisions = Array.from({ length: 500 }, (_, connection) => ({
      connection,
      granted: true as const,
      rank: [1, connection] as const,
    }));
    for (let i = 0; i < 40; i++) channel.addAnswer({ t: 'claims', p: 0, epoch: 1, decisions });
    channel.flush();
    assert.ok(frames.length > 1);
    for (const frame of frames) assert.ok(frame.length <= FRAME_BYTES_MAX);
  });
});
