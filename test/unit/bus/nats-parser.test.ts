/** Messages and lines out of a server's bytes, wherever the reads cut them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Kind, Parser, type ParserEvent } from '@nats-io/transport-node';
import fc from 'fast-check';
import { Delivery, NatsMessage } from '../../../lib/bus/nats/nats-message.ts';
import { NatsParser } from '../../../lib/bus/nats/nats-parser.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

interface Read {
  readonly seen: string[];
  readonly broken: string[];
}

/** Reads `bytes` cut at the given places, through one buffer that each read overwrites. */
function read(bytes: Buffer, cuts: readonly number[] = []): Read {
  const seen: string[] = [];
  const broken: string[] = [];
  const kept: { index: number; line: string; header: Buffer; payload: Buffer }[] = [];
  const parser = new NatsParser({
    onMessage(message) {
      const { subject, sid, reply, header, payload } = message;
      const line = `MSG ${subject} ${sid} ${reply ?? '-'}`;
      kept.push({ index: seen.push('') - 1, line, header, payload });
    },
    onPing: () => seen.push('PING'),
    onPong: () => seen.push('PONG'),
    onInfo: (json) => seen.push(`INFO ${json.trim()}`),
    onServerError: (error) => seen.push(`-ERR ${error}`),
    onBroken: (why) => broken.push(why),
  });
  const chunk = Buffer.alloc(bytes.length);
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    chunk.fill('#');
    bytes.copy(chunk, 0, from, cut);
    parser.push(chunk, cut - from);
    from = cut;
  }
  // What was handed out is still whole after everything behind it was read.
  chunk.fill('#');
  for (const { index, line, header, payload } of kept) {
    seen[index] = `${line} ${text(header)}:${text(payload)}`;
  }
  return { seen, broken };
}

/** The same through the parser of the NATS project's client. */
function readByLibrary(bytes: Buffer): string[] {
  const seen: string[] = [];
  const parser = new Parser({
    push({ kind, msg, data }: ParserEvent) {
      const bytesRead = data ?? Buffer.alloc(0);
      if (kind === Kind.PING) seen.push('PING');
      else if (kind === Kind.PONG) seen.push('PONG');
      else if (kind === Kind.INFO) seen.push(`INFO ${text(bytesRead).trim()}`);
      else if (kind === Kind.ERR) seen.push(`-ERR ${text(bytesRead).replaceAll("'", '')}`);
      else if (kind === Kind.MSG && msg !== undefined) {
        const headerBytes = Math.max(0, msg.hdr);
        const reply = msg.reply === undefined ? '-' : text(msg.reply);
        const header = text(bytesRead.subarray(0, headerBytes));
        const payload = text(bytesRead.subarray(headerBytes));
        seen.push(`MSG ${text(msg.subject)} ${msg.sid} ${reply} ${header}:${payload}`);
      }
    },
  });
  parser.parse(bytes);
  return seen;
}

const EXAMPLE = Buffer.from(
  [
    'INFO {"server_id":"a b c d e f g","max_payload":1048576}\r\n',
    'PING\r\n',
    '+OK\r\n',
    'MSG a.b 7 5\r\nhello\r\n',
    'MSG a.b 8 _INBOX.1 0\r\n\r\n',
    'PONG\r\n',
    'HMSG log.x 12 17 20\r\nNATS/1.0\r\nA:B\r\n\r\nxyz\r\n',
    'HMSG log.x 12 $JS.ACK.1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n',
    '-ERR \'Permissions Violation for Publish to "x"\'\r\n',
    'MSG c 1 20\r\nMSG c 1 2\r\n\n\r\nPING\r\n\r\n',
    'PING\r\n',
  ].join(''),
);
const EXAMPLE_SEEN = [
  'INFO {"server_id":"a b c d e f g","max_payload":1048576}',
  'PING',
  'MSG a.b 7 - :hello',
  'MSG a.b 8 _INBOX.1 :',
  'PONG',
  'MSG log.x 12 - NATS/1.0\r\nA:B\r\n\r\n:xyz',
  'MSG log.x 12 $JS.ACK.1 NATS/1.0 503\r\n\r\n:',
  '-ERR Permissions Violation for Publish to "x"',
  'MSG c 1 - :MSG c 1 2\r\n\n\r\nPING\r\n',
  'PING',
];

const token = fc.stringMatching(/^[!-~]{1,12}$/);
const body = fc.uint8Array({ maxLength: 6_000 });
const message = fc.record({
  subject: token,
  sid: fc.nat(),
  reply: fc.option(token, { nil: undefined }),
  headers: fc.option(fc.array(fc.stringMatching(/^[A-Za-z]{1,9}: [ -~]{0,20}$/), { maxLength: 3 })),
  payload: body,
});
const frame = fc.oneof(
  message.map(({ subject, sid, reply, headers, payload }) => {
    const to = `${subject} ${sid}${reply === undefined ? '' : ` ${reply}`}`;
    const block = headers === null ? '' : `NATS/1.0\r\n${headers.join('\r\n')}\r\n\r\n`;
    const total = block.length + payload.length;
    const line = headers === null ? `MSG ${to} ${total}` : `HMSG ${to} ${block.length} ${total}`;
    return Buffer.concat([Buffer.from(`${line}\r\n${block}`), payload, Buffer.from('\r\n')]);
  }),
  fc.constantFrom('PING\r\n', 'PONG\r\n', 'INFO {"a":"b c"}\r\n', "-ERR 'Stale Connection'\r\n"),
);
const frames = fc
  .array(frame, { maxLength: 12 })
  .map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part))));

describe('the NATS parser', () => {
  test('reads all kinds of lines', () => {
    assert.deepEqual(read(EXAMPLE), { seen: EXAMPLE_SEEN, broken: [] });
  });

  test('does not mind a cut at any two places', () => {
    for (let first = 0; first <= EXAMPLE.length; first++) {
      for (let second = first; second <= EXAMPLE.length; second += 3) {
        const { seen } = read(EXAMPLE, [first, second]);
        assert.deepEqual(seen, EXAMPLE_SEEN, `cut at ${first} and ${second}`);
      }
    }
  });

  test('does not mind a byte at a time', () => {
    assert.deepEqual(
      read(
        EXAMPLE,
        Array.from(EXAMPLE, (_, i) => i),
      ),
      { seen: EXAMPLE_SEEN, broken: [] },
    );
  });

  test('reads what the parser of the NATS client reads, however it is cut', () => {
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
    fc.assert(
      fc.property(frames, cuts, (bytes, at) => {
        const places = at.map((part) => Math.floor(part * bytes.length)).toSorted((a, b) => a - b);
        const { seen, broken } = read(bytes, places);
        assert.deepEqual(seen, readByLibrary(bytes));
        assert.deepEqual(broken, []);
      }),
      { numRuns: 200 },
    );
  });

  const BAD = [
    'MSG a 1\r\n',
    'MSG a x 1\r\nx\r\n',
    'MSG a 1 r 2 3\r\n',
    'MSG a 1 -1\r\n',
    'MSG a 1 \r\n',
    'MSG a 1 99999999999\r\n',
    'MSG a 1 999999999999999999\r\n',
    'MSG a 1 2\r\nxyz\r\n',
    'MSG a 1 2\nxy\r\n',
    'MSG a 1 0\r\n\r\r',
    'HMSG a 1 9 3\r\n',
    'HMSG a 1 9\r\n',
    'HTTP/1.1 400 Bad Request\r\n',
    '\r\n',
    '\n',
  ];
  for (const bad of BAD) {
    test(`stops at ${JSON.stringify(bad)}`, () => {
      const bytes = Buffer.from(`PING\r\n${bad}PING\r\n`);
      for (const cuts of [[], Array.from(bytes, (_, i) => i)]) {
        const { seen, broken } = read(bytes, cuts);
        assert.deepEqual(seen, ['PING']);
        assert.equal(broken.length, 1);
      }
    });
  }

  test('stops at a line without end', () => {
    const bytes = Buffer.alloc(3 * 1024 * 1024, 'x');
    const cuts = Array.from({ length: 47 }, (_, i) => (i + 1) * 65_536);
    assert.equal(read(bytes, cuts).broken.length, 1);
  });

  test('hands out nothing more once it is stopped', () => {
    const seen: string[] = [];
    const nothing = (): void => assert.fail();
    const parser = new NatsParser({
      onMessage(got) {
        seen.push(got.subject);
        parser.stop();
      },
      onPing: nothing,
      onPong: nothing,
      onInfo: nothing,
      onServerError: nothing,
      onBroken: nothing,
    });
    const bytes = Buffer.from('MSG a 1 0\r\n\r\nMSG b 1 0\r\n\r\nPING\r\n');
    parser.push(bytes, bytes.length);
    assert.deepEqual(seen, ['a']);
  });
});

function messageWith(subject: string, reply = ''): NatsMessage {
  const made = new NatsMessage();
  made.line = Buffer.from(`${subject} ${reply}`);
  made.subjectEnd = Buffer.byteLength(subject);
  made.replyStart = made.subjectEnd + 1;
  made.replyEnd = made.line.length;
  return made;
}

describe('a NATS message', () => {
  test('tells the number that ends its subject', () => {
    const numbers = ['a.12', 'a.0', '_INBOX.9.4294967296', 'a.b', '12', 'a.', 'a.1x'];
    assert.deepEqual(
      numbers.map((subject) => messageWith(subject).lastNumberOfSubject()),
      [12, 0, 4_294_967_296, -1, -1, -1, -1],
    );
  });

  test('knows its subject again', () => {
    for (const subject of ['a.b', 'é.b', 'ü']) {
      for (const known of ['a.b', 'a.c', '', 'é.b', 'Ã¼']) {
        assert.equal(messageWith(subject).subjectLike(known), subject);
      }
    }
  });

  test('tells where it stood in a stream, in both forms', () => {
    const delivery = new Delivery();
    const numbers = '1.42.7.1700000000123456789.3';
    const forms = [`$JS.ACK.S.c.${numbers}`, `$JS.ACK._.hash.S.c.${numbers}.token`];
    for (const reply of forms) {
      assert.equal(delivery.read(messageWith('s', reply)), true);
      const { streamSequence, consumerSequence, storedAtMs, pending } = delivery;
      assert.deepEqual(
        [streamSequence, consumerSequence, storedAtMs, pending],
        [42, 7, 1_700_000_000_123, 3],
      );
    }
    assert.equal(delivery.read(messageWith('s', '_INBOX.a.b')), false);
    assert.equal(delivery.read(messageWith('s')), false);
  });
});
