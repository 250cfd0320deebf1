/**
 * CloudEvents 1.0 in structured JSON mode, made from an MQTT message as Event Grid does it.
 *
 * Wrapped:  type `MQTT.EventPublished`, source = namespace, subject = topic, id = log position
 *           (stable over retries: an idempotency key), time = receipt.
 * Data:     `data` when the payload is UTF-8 and its content type is JSON or its Payload Format
 *           Indicator is 1: the JSON text as it came if it parses (numbers keep all digits), else a
 *           string. Everything else, all of MQTT 3.1.1 included, is `data_base64`.
 * Passed:   an MQTT 5 message that is a CloudEvent by the MQTT binding — binary (user properties)
 *           or structured — keeps its own id, time, type, source and subject. One that claims to be
 *           and is not is wrapped like any other.
 * Content type absent: `application/json` or `text/plain` with `data`, else octet-stream.
 */
import { isUtf8 } from 'node:buffer';
import { indexOf, sequenceOf } from '#log';
import type { Position } from '#log';
import { topicOf } from '#mqtt';
import type { PublishView } from '#mqtt';
import { readMessageProperties } from './message-properties.ts';
import type { MessageProperties } from './message-properties.ts';

export const EVENT_CONTENT_TYPE = 'application/cloudevents+json; charset=utf-8';
export const EVENT_TYPE = 'MQTT.EventPublished';
/** One deployment is one namespace (design §9). */
export const EVENT_SOURCE = 'default';

const STRUCTURED = 'application/cloudevents+json';
/** [CloudEvents §3.1]: attribute names are lower-case ASCII letters and digits. */
const ATTRIBUTE_NAME = /^[a-z0-9]{1,64}$/;
const NOT_EXTENSIONS = new Set(['data', 'datacontenttype']);

/** Text of a log position: the id of its event. Without dots, so that it may be signed. */
export function eventId(partition: number, position: Position): string {
  return `${partition}-${sequenceOf(position)}-${indexOf(position)}`;
}

/** The body of a delivery. */
export function encodeEvent(view: PublishView, id: string, receivedAtMs: number): string {
  const properties = readMessageProperties(view);
  const payload = view.buffer.subarray(view.payloadStart, view.end);
  return (
    structuredEvent(properties, payload) ??
    binaryEvent(properties, payload) ??
    wrappedEvent(view, properties, payload, id, receivedAtMs)
  );
}

function wrappedEvent(
  view: PublishView,
  properties: MessageProperties,
  payload: Buffer,
  id: string,
  receivedAtMs: number,
): string {
  const attributes = {
    specversion: '1.0',
    id,
    time: new Date(receivedAtMs).toISOString(),
    type: EVENT_TYPE,
    source: EVENT_SOURCE,
    subject: topicOf(view),
  };
  return withData(attributes, properties, payload);
}

/** Structured mode of the binding: the payload is the event. */
function structuredEvent(properties: MessageProperties, payload: Buffer): string | undefined {
  if (mediaType(properties.contentType) !== STRUCTURED || !isUtf8(payload)) return undefined;
  const text = payload.toString('utf8');
  const event = parseJson(text);
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return undefined;
  return isEvent(new Map(Object.entries(event))) ? text : undefined;
}

/** Binary mode of the binding: attributes are user properties, the payload is the data. */
function binaryEvent(properties: MessageProperties, payload: Buffer): string | undefined {
  if (!properties.userProperties.some(([name]) => name === 'specversion')) return undefined;
  const attributes = new Map<string, string>();
  for (const [name, value] of properties.userProperties) {
    if (!ATTRIBUTE_NAME.test(name) || NOT_EXTENSIONS.has(name)) continue;
    if (!attributes.has(name)) attributes.set(name, value);
  }
  if (!isEvent(attributes)) return undefined;
  return withData(Object.fromEntries(attributes), properties, payload);
}

function isEvent(attributes: ReadonlyMap<string, unknown>): boolean {
  if (attributes.get('specversion') !== '1.0') return false;
  return ['id', 'source', 'type'].every((name) => {
    const value = attributes.get(name);
    return typeof value === 'string' && value !== '';
  });
}

/** Attributes, datacontenttype and data as one JSON object. */
function withData(
  attributes: Readonly<Record<string, string>>,
  properties: MessageProperties,
  payload: Buffer,
): string {
  const { contentType } = properties;
  const json = isJson(mediaType(contentType));
  const head = JSON.stringify(attributes).slice(0, -1);
  const typed = (fallback: string) =>
    `,"datacontenttype":${JSON.stringify(contentType ?? fallback)}`;
  if (!(json || properties.isText) || !isUtf8(payload)) {
    const data = payload.toString('base64');
    return `${head}${typed('application/octet-stream')},"data_base64":"${data}"}`;
  }
  const text = payload.toString('utf8');
  if (parseJson(text) !== undefined) return `${head}${typed('application/json')},"data":${text}}`;
  return `${head}${typed('text/plain')},"data":${JSON.stringify(text)}}`;
}

function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function isJson(media: string): boolean {
  return media === 'application/json' || media === 'text/json' || media.endsWith('+json');
}

/** Undefined when `text` is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof RangeError) return undefined;
    throw cause;
  }
}
