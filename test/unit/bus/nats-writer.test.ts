/** What is sent leaves once a turn, in order, from memory that is used again when it is free. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { NatsWriter, PENDING_BYTES_MAX } from '../../../lib/bus/nats/nats-writer.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const CHUNK_BYTES = 256 * 1024;

let writes: (readonly Buffer[])[];
let whenWritten: (() => void)[];
let writer: NatsWriter;

beforeEach(() => {
  writes = [];
  whenWritten = [];
  writer = new NatsWriter((chunks, onWritten) => {
    writes.push(chunks);
    whenWritten.push(onWritten);
  });
});

/** The oldest write is done: its text, read at the last moment. */
function written(): string {
  const chunks = writes.shift();
  assert.ok(chunks !== undefined, 'nothing was written');
  const text = Buffer.concat(chunks).toString('latin1');
  whenWritten.shift()?.();
  return text;
}

function publish(text: string, subject = 's'): boolean {
  return writer.publish(subject, Buffer.from(text, 'latin1'));
}

describe('the NATS writer', () => {
  test('writes a turn as one, and takes the bytes at the call', async () => {
    const payload = Buffer.from('one');
    writer.publish('a', payload);
    payload.fill('x');
    writer.publish('b', Buffer.from('2'), 'r', Buffer.from('NATS/1.0\r\n\r\n'));
    writer.subscribe('c.*', 5);
    writer.unsubscribe(4);
    writer.ping();
    writer.pong();
    assert.equal(writes.length, 0);
    await turn();
    assert.equal(writes.length, 1);
    assert.equal(
      written(),
      'PUB a 3\r\none\r\nHPUB b r 12 13\r\nNATS/1.0\r\n\r\n2\r\n' +
        'SUB c.* 5\r\nUNSUB 4\r\nPING\r\nPONG\r\n',
    );
    assert.equal(writer.pendingBytes, 0);
  });

  test('keeps the bytes of a subject beyond ASCII', async () => {
    publish('1', 'é');
    await turn();
    assert.equal(written(), Buffer.from('PUB é 1\r\n1\r\n').toString('latin1'));
  });

  test('collects what comes during a write', async () => {
    publish('1');
    await turn();
    publish('2');
    await turn();
    publish('3');
    await turn();
    assert.equal(writes.length, 1);
    assert.equal(written(), 'PUB s 1\r\n1\r\n');
    assert.equal(written(), 'PUB s 1\r\n2\r\nPUB s 1\r\n3\r\n');
    await turn();
    assert.equal(writes.length, 0);
  });

  test('does not wait for the end of the turn with a full chunk', () => {
    publish('x'.repeat(CHUNK_BYTES));
    assert.equal(writes.length, 1);
  });

  test('loses and mixes up nothing, whatever the sizes', async () => {
    let expected = '';
    let got = '';
    let size = 1;
    for (let i = 0; i < 400; i++) {
      size = (size * 7919) % (i % 40 === 0 ? 600_011 : 3_001);
      const text = String.fromCharCode(65 + (i % 26)).repeat(size);
      publish(text, `s.${'é'.repeat(i % 20)}`);
      expected += `PUB s.${'Ã©'.repeat(i % 20)} ${size}\r\n${text}\r\n`;
      if (i % 7 === 0) await turn();
      if (i % 3 === 0 && writes.length > 0) got += written();
    }
    await turn();
    while (writes.length > 0) got += written();
    assert.ok(got === expected);
    assert.equal(writer.pendingBytes, 0);
  });

  test('fits lines and chunks exactly', async () => {
    const line = 'PUB s 100000\r\n';
    // The second message ends, or nearly ends, where the chunk does.
    for (let short = 0; short < 40; short++) {
      const rest = CHUNK_BYTES - 2 * (line.length + 2) - 100_000 - short;
      const texts = ['a'.repeat(100_000), 'b'.repeat(rest), 'c'];
      for (const text of texts) publish(text);
      await turn();
      let got = '';
      while (writes.length > 0) got += written();
      assert.ok(got === texts.map((t) => `PUB s ${t.length}\r\n${t}\r\n`).join(''), `${short}`);
    }
  });

  test('refuses messages when too much waits, and takes them again', async () => {
    const text = 'x'.repeat(1_000_000);
    let taken = 0;
    while (publish(text)) taken++;
    assert.ok(taken >= PENDING_BYTES_MAX / 1_000_000 - 2 && taken < PENDING_BYTES_MAX / 1_000_000);
    assert.ok(writer.pendingBytes <= PENDING_BYTES_MAX + 4_096);
    let bytes = 0;
    while (writes.length > 0) bytes += written().length;
    await turn();
    while (writes.length > 0) bytes += written().length;
    assert.equal(bytes, taken * 'PUB s 1000000\r\n\r\n'.length + taken * 1_000_000);
    assert.equal(publish('1'), true);
    await turn();
  });

  test('writes nothing once it has ended', async () => {
    publish('1');
    await turn();
    publish('2');
    writer.end();
    written();
    await turn();
    assert.equal(writes.length, 0);
    assert.equal(writer.pendingBytes, 0);
  });

  test('throws at what would be another command', () => {
    for (const subject of ['', 'a b', 'a\r\nPING', 'a\t', 'a\0']) {
      assert.throws(() => publish('1', subject), RangeError);
      assert.throws(() => writer.subscribe(subject, 1), RangeError);
    }
  });
});
