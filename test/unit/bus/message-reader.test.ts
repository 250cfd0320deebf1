/** Messages out of a server's bytes, wherever the reads cut them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageSink } from '../../../lib/bus/nats/message-reader.ts';
import { MessageReader } from '../../../lib/bus/nats/message-reader.ts';

const BYTES = [
  'PING\r\n',
  'MSG a.b 7 5\r\nhello\r\n',
  'MSG a.b 8 _INBOX.1 0\r\n\r\n',
  'PONG\r\n',
  'HMSG log.x 12 17 20\r\nNATS/1.0\r\nA:B\r\n\r\nxyz\r\n',
  'HMSG log.x 12 $JS.ACK.1 12 12\r\nNATS/1.0\r\n\r\n\r\n',
  'INFO {"a":1}\r\n',
  'MSG c 1 12\r\nMSG c 1 2\r\n\n\r\n',
].join('');

const SEEN = [
  'line PING',
  'a.b 7 - -1 5: hello',
  'a.b 8 _INBOX.1 -1 0: ',
  'line PONG',
  'log.x 12 - 17 20: NATS/1.0|A:B||xyz',
  'log.x 12 $JS.ACK.1 12 12: NATS/1.0||',
  'line INFO {"a":1}',
  'c 1 - -1 12: MSG c 1 2|~',
];

/** Reads `bytes` cut at the given places. */
function read(bytes: string, ...cuts: number[]): string[] {
  const seen: string[] = [];
  const text = (part: Uint8Array): string => Buffer.from(part).toString('latin1');
  const oneLine = (part: string): string => part.replaceAll('\r\n', '|').replaceAll('\n', '~');
  const sink: MessageSink = {
    parser: { parse: (line) => void seen.push(`line ${text(line).trimEnd()}`) },
    processMsg: ({ subject, reply, sid, hdr, size }, data) => {
      const replyText = reply === undefined ? '-' : text(reply);
      seen.push(`${text(subject)} ${sid} ${replyText} ${hdr} ${size}: ${oneLine(text(data))}`);
    },
  };
  const reader = new MessageReader(sink);
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    reader.read(Buffer.from(bytes.slice(from, cut), 'latin1'));
    from = cut;
  }
  return seen;
}

test('a chunk of several messages and lines is read whole', () => {
  assert.deepEqual(read(BYTES), SEEN);
});

test('a cut at any two places changes nothing', () => {
  for (let first = 0; first <= BYTES.length; first++) {
    for (let second = first; second <= BYTES.length; second++) {
      assert.deepEqual(read(BYTES, first, second), SEEN, `cut at ${first} and ${second}`);
    }
  }
});

test('a byte at a time changes nothing', () => {
  const everywhere = Array.from(BYTES, (_, i) => i);
  assert.deepEqual(read(BYTES, ...everywhere), SEEN);
});

/** A chunk with memory of its own, as a socket's reads are. */
function ownChunk(text: string): Buffer {
  return Buffer.from(new TextEncoder().encode(text).buffer);
}

test('messages outlive the chunks they came in, whose memory is given back', () => {
  const large = 'L'.repeat(20_000);
  const kept: { message: Parameters<MessageSink['processMsg']>[0]; data: Uint8Array }[] = [];
  const reader = new MessageReader({
    parser: { parse: () => undefined },
    processMsg: (message, data) => void kept.push({ message, data }),
  });
  const bytes = `MSG first 1 reply 20000\r\n${large}\r\nMSG second 2 20000\r\n${large}\r\n`;
  const chunks = [ownChunk(bytes.slice(0, 30_000)), ownChunk(bytes.slice(30_000))];
  const small = ownChunk(`MSG small 3 5\r\nsmall\r\n${'PING\r\n'.repeat(2_000)}`);
  for (const chunk of [...chunks, small]) reader.read(chunk);
  assert.deepEqual(
    chunks.map(({ length }) => length),
    [0, 0],
  );
  assert.notEqual(small.length, 0, 'a slice of it was handed out');
  const text = (part: Uint8Array | undefined): string => Buffer.from(part ?? []).toString();
  assert.deepEqual(
    kept.map(({ message, data }) => [text(message.subject), text(message.reply), text(data)]),
    [
      ['first', 'reply', large],
      ['second', '', large],
      ['small', '', 'small'],
    ],
  );
});

test('what is no message is refused', () => {
  for (const line of ['MSG a 1', 'MSG a x 1', 'MSG a 1 r 2 3', 'HMSG a 1 9 3', 'MSG a 1 -1']) {
    assert.throws(() => read(`${line}\r\n`), RangeError, line);
  }
  assert.throws(() => read('MSG a 1 99999999999\r\n'), RangeError);
});
