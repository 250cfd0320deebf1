import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppendResult } from '#bus';
import { encodeHeaders, readAck } from '../../../lib/bus/nats/append-wire.ts';

const error = (code: number, errCode: number, description = ''): string =>
  JSON.stringify({ error: { code, err_code: errCode, description }, stream: 'S', seq: 0 });

const ANSWERS: [answer: string, kind: AppendResult['kind']][] = [
  [error(400, 10071, 'wrong last sequence: 7'), 'refused'],
  [error(400, 10158), 'undecided'],
  [error(400, 10163), 'undecided'],
  [error(400, 10164, 'wrong last sequence'), 'undecided'],
  [error(503, 10077, 'maximum bytes exceeded'), 'full'],
  [error(503, 10077, 'maximum messages exceeded'), 'full'],
  [error(503, 10077, 'store is closed'), 'undecided'],
  [error(503, 10023, 'insufficient resources'), 'full'],
  [error(500, 10047), 'full'],
  [error(503, 10008), 'undecided'],
  [error(429, 10167), 'undecided'],
  [error(400, 10054, 'message size exceeds maximum allowed'), 'failed'],
  ['{"stream":"S"', 'undecided'],
  ['{"stream":"S"}', 'undecided'],
  ['', 'undecided'],
];

describe('the answer to an append', () => {
  it('is read byte by byte and as JSON alike', () => {
    for (const sequence of [1, 9, 10, 4_294_967_296, Number.MAX_SAFE_INTEGER]) {
      const stored = { kind: 'stored', sequence, duplicate: false };
      for (const text of [
        `{"stream":"LOG_00", "seq":${sequence}}`,
        `{"stream":"LOG_00","seq":${sequence}}`,
        `{"stream":"LOG_00", "domain":"d", "seq":${sequence}}`,
      ]) {
        assert.deepEqual(readAck(Buffer.from(text), 'LOG_00'), stored, text);
        assert.deepEqual(readAck(Buffer.from(text), 'OTHER'), stored, text);
      }
    }
  });

  it('tells a duplicate', () => {
    const text = '{"stream":"LOG_00", "seq":12, "duplicate":true}';
    const expected = { kind: 'stored', sequence: 12, duplicate: true };
    assert.deepEqual(readAck(Buffer.from(text), 'LOG_00'), expected);
  });

  for (const [answer, kind] of ANSWERS) {
    it(`is ${kind} for ${answer === '' ? 'nothing' : answer}`, () => {
      assert.equal(readAck(Buffer.from(answer), 'S').kind, kind);
    });
  }
});

describe('the headers of an append', () => {
  it('are left out unless needed', () => {
    const plain = { stream: 'S', subject: 's', payload: Buffer.alloc(0) };
    assert.equal(encodeHeaders(plain), undefined);
    const all = {
      ...plain,
      messageId: 'a.1',
      expectedLastSubjectSequence: 0,
      expectedLastSequence: 5,
      deletes: true,
    };
    assert.equal(
      encodeHeaders(all)?.toString(),
      'NATS/1.0\r\nNats-Msg-Id: a.1\r\nNats-Expected-Last-Subject-Sequence: 0\r\n' +
        'Nats-Expected-Last-Sequence: 5\r\nKV-Operation: DEL\r\n\r\n',
    );
  });
});
