import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { positionOf, RECORD_HEADER_BYTES, recordClosedAtMs } from '#log';
import { PublishView } from '#mqtt';
import { encodeEvent, eventId } from '../../../services/router/cloud-event.ts';
import { openEvent, receivedAtMs, storeEvent } from '../../../services/router/stored-event.ts';
import { recordOf, viewOf } from './logged-message.ts';
import type { TestMessage } from './logged-message.ts';

const AT_MS = Date.UTC(2026, 10, 25, 12, 0, 0, 5);
const ID = '1-7-3';

function encode(message: TestMessage): Record<string, unknown> {
  return JSON.parse(encodeEvent(viewOf(message), ID, AT_MS)) as Record<string, unknown>;
}

const WRAPPED = {
  specversion: '1.0',
  id: ID,
  time: '2026-11-25T12:00:00.005Z',
  type: 'MQTT.EventPublished',
  source: 'default',
  subject: 'demo/é',
};

const OCTETS = 'application/octet-stream';

test('a message is wrapped as the table of Event Grid says', () => {
  const json = 'application/json; charset=utf-8';
  const rows: [string, Omit<TestMessage, 'topic'>, Record<string, unknown>][] = [
    [
      '3.1.1 text',
      { payload: '{"a":1}' },
      { datacontenttype: OCTETS, data_base64: 'eyJhIjoxfQ==' },
    ],
    ['3.1.1 empty', {}, { datacontenttype: OCTETS, data_base64: '' }],
    [
      'no indicator',
      { payload: 'x', properties: {} },
      { datacontenttype: OCTETS, data_base64: 'eA==' },
    ],
    [
      'indicator 0, own content type',
      { payload: 'x', properties: { isText: false, contentType: 'image/png' } },
      { datacontenttype: 'image/png', data_base64: 'eA==' },
    ],
    [
      'indicator 1, JSON',
      { payload: '{"a":[1]}', properties: { isText: true } },
      { datacontenttype: 'application/json', data: { a: [1] } },
    ],
    [
      'indicator 1, no JSON',
      { payload: 'warm "21"', properties: { isText: true } },
      { datacontenttype: 'text/plain', data: 'warm "21"' },
    ],
    [
      'content type JSON without indicator',
      { payload: '21.5', properties: { contentType: json } },
      { datacontenttype: json, data: 21.5 },
    ],
    [
      'content type JSON, damaged',
      { payload: '{"a":', properties: { contentType: json } },
      { datacontenttype: json, data: '{"a":' },
    ],
    [
      'content type JSON, not UTF-8',
      { payload: Buffer.from([0xff, 0xfe]), properties: { contentType: json, isText: true } },
      { datacontenttype: json, data_base64: '//4=' },
    ],
    [
      'JSON null is data',
      { payload: 'null', properties: { isText: true } },
      { datacontenttype: 'application/json', data: null },
    ],
    [
      'other properties do not show',
      {
        payload: 'x',
        properties: {
          user: [['note', 'n']],
          responseTopic: 'r',
          correlationData: Buffer.from('c'),
        },
      },
      { datacontenttype: OCTETS, data_base64: 'eA==' },
    ],
  ];
  for (const [name, message, data] of rows) {
    assert.deepEqual(encode({ topic: 'demo/é', ...message }), { ...WRAPPED, ...data }, name);
  }
});

test('JSON numbers keep all their digits', () => {
  const message = {
    topic: 't',
    payload: '{"n":12345678901234567890.10}',
    properties: { isText: true },
  };
  assert.ok(
    encodeEvent(viewOf(message), ID, AT_MS).includes('"data":{"n":12345678901234567890.10}'),
  );
});

test('a message that is a CloudEvent in binary mode keeps its own attributes', () => {
  const user = [
    ['specversion', '1.0'],
    ['id', 'own'],
    ['source', '/sensors'],
    ['type', 'temperature'],
    ['subject', 'room'],
    ['myext', 'e'],
    ['Not-An-Attribute', 'x'],
    ['data', 'forged'],
  ] as const;
  const properties = { user, contentType: 'application/json' };
  assert.deepEqual(encode({ topic: 't', payload: '{"v":1}', properties }), {
    specversion: '1.0',
    id: 'own',
    source: '/sensors',
    type: 'temperature',
    subject: 'room',
    myext: 'e',
    datacontenttype: 'application/json',
    data: { v: 1 },
  });
});

test('a message that is a CloudEvent in structured mode goes on as it is', () => {
  const event = { specversion: '1.0', id: 'own', source: 's', type: 't', data: { v: 1 } };
  const properties = { contentType: 'application/cloudevents+json; charset=utf-8' };
  assert.deepEqual(encode({ topic: 't', payload: JSON.stringify(event), properties }), event);
});

test('a message that only claims to be a CloudEvent is wrapped', () => {
  const structured = { contentType: 'application/cloudevents+json' };
  const claims: TestMessage[] = [
    { topic: 't', payload: '[]', properties: structured },
    {
      topic: 't',
      payload: '{"specversion":"1.0","id":"","source":"s","type":"t"}',
      properties: structured,
    },
    {
      topic: 't',
      payload: 'x',
      properties: {
        user: [
          ['specversion', '1.0'],
          ['id', 'i'],
        ],
      },
    },
    {
      topic: 't',
      payload: 'x',
      properties: {
        user: [
          ['specversion', '0.3'],
          ['id', 'i'],
          ['source', 's'],
          ['type', 't'],
        ],
      },
    },
  ];
  for (const message of claims) assert.equal(encode(message)['type'], 'MQTT.EventPublished');
});

test('any payload and topic give one JSON object that holds the payload', () => {
  const topic = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(topic, fc.uint8Array(), fc.boolean(), fc.boolean(), (name, bytes, isText, v5) => {
      const payload = Buffer.from(bytes);
      const view = viewOf({ topic: name, payload, ...(v5 ? { properties: { isText } } : {}) });
      const event = JSON.parse(encodeEvent(view, ID, AT_MS)) as Record<string, unknown>;
      assert.equal(event['subject'], Buffer.from(name).toString());
      const base64 = event['data_base64'];
      if (typeof base64 === 'string') assert.deepEqual(Buffer.from(base64, 'base64'), payload);
      else assert.ok('data' in event);
    }),
  );
});

test('a stored event is the message and its time, whatever becomes of the record', () => {
  const message = { topic: 'a/b', payload: '{"v":1}', properties: { isText: true } };
  const record = recordOf([message], AT_MS);
  const event = storeEvent(record, RECORD_HEADER_BYTES, record.length, recordClosedAtMs(record));
  record.fill(0);
  const view = new PublishView();
  openEvent(event, view);
  const text = encodeEvent(view, eventId(3, positionOf(12, 5)), receivedAtMs(event));
  const { id, time, data } = JSON.parse(text) as Record<string, unknown>;
  assert.deepEqual([id, time, data], ['3-12-5', '2026-11-25T12:00:00.005Z', { v: 1 }]);
  event[0] = 9;
  assert.throws(() => openEvent(event, view), { code: 'WEIR_WIRE' });
});
