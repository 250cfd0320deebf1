/** What is published leaves once per turn, in order, and after the SUBs before it. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { CommandWriter } from '../../../lib/bus/nats/command-writer.ts';

/** Keeps what it is given; holds each write until `release`, when asked to. */
class Wire extends Writable {
  readonly writes: string[] = [];
  readonly #held: (() => void)[] = [];
  isHolding = false;

  override _write(chunk: Buffer, _encoding: string, onDone: () => void): void {
    this.writes.push(chunk.toString('latin1'));
    if (this.isHolding) this.#held.push(onDone);
    else onDone();
  }

  release(): void {
    this.isHolding = false;
    for (const onDone of this.#held.splice(0)) onDone();
  }
}

function writerOn(wire: Wire): (text: string, subject?: string, reply?: string) => void {
  const writer = new CommandWriter(wire as unknown as Socket);
  return (text, subject = 's', reply = '') =>
    writer.publish(subject, Buffer.from(text), reply, undefined);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a turn is one write, and the bytes are taken at the call', async () => {
  const wire = new Wire();
  const writer = new CommandWriter(wire as unknown as Socket);
  const payload = Buffer.from('one');
  writer.publish('a', payload, '', undefined);
  payload.fill('x');
  writer.publish('b', Buffer.from('2'), 'r', Buffer.from('NATS/1.0\r\n\r\n'));
  await turn();
  const headers = 'NATS/1.0\r\n\r\n';
  assert.deepEqual(wire.writes, [`PUB a 3\r\none\r\nHPUB b r 12 13\r\n${headers}2\r\n`]);
});

test('a subject beyond ASCII keeps its bytes', async () => {
  const wire = new Wire();
  writerOn(wire)('1', 'é');
  await turn();
  assert.deepEqual(wire.writes, [Buffer.from('PUB é 1\r\n1\r\n').toString('latin1')]);
});

test('a request leaves after the SUB that was given before it', async () => {
  const wire = new Wire();
  const writer = new CommandWriter(wire as unknown as Socket);
  writer.publish('before', Buffer.from('1'), '', undefined);
  writer.flush();
  // As the library does: its commands are written by a microtask.
  queueMicrotask(() => wire.write('SUB\r\n'));
  writer.publish('request', Buffer.from('2'), '', undefined);
  await turn();
  assert.deepEqual(wire.writes.join(''), 'PUB before 1\r\n1\r\nSUB\r\nPUB request 1\r\n2\r\n');
});

test('what comes during a write waits for its end and leaves as one', async () => {
  const wire = new Wire();
  const publish = writerOn(wire);
  wire.isHolding = true;
  publish('1');
  await turn();
  publish('2');
  await turn();
  publish('3');
  await turn();
  assert.equal(wire.writes.length, 1);
  wire.release();
  await turn();
  assert.deepEqual(wire.writes.slice(1), ['PUB s 1\r\n2\r\nPUB s 1\r\n3\r\n']);
});

test('more than a buffer holds is neither lost nor reordered', async () => {
  const wire = new Wire();
  const publish = writerOn(wire);
  wire.isHolding = true;
  const texts = Array.from({ length: 30 }, (_, i) => String.fromCharCode(65 + i).repeat(100_000));
  for (const text of texts) publish(text);
  publish('Z'.repeat(2_000_000));
  await turn();
  publish('end');
  wire.release();
  await turn();
  await turn();
  const expected = [...texts, 'Z'.repeat(2_000_000), 'end'];
  assert.equal(
    wire.writes.join(''),
    expected.map((text) => `PUB s ${text.length}\r\n${text}\r\n`).join(''),
  );
});
