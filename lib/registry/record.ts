/**
 * A registry record as it stands in the stream: JSON, so that any NATS tool can read it.
 *
 * `{"version":1,"writeId":"…","createdAtMs":…,"spec":{…}}`; a deletion is a marker of the same form
 * without spec. `writeId` is unique per write: by it a writer knows its own record after an
 * undecided append. `createdAtMs` is absent in the first record of a resource.
 */
import type { StreamMessage } from '#bus';
import type { Resource, ResourceKind, SpecOf } from './resources.ts';
import { isJsonObject } from './spec-reader.ts';
import type { JsonObject } from './spec-reader.ts';

const RECORD_VERSION = 1;

export interface RecordContent {
  readonly writeId: string;
  readonly createdAtMs?: number;
  readonly spec?: SpecOf[ResourceKind];
}

export function encodeRecord(content: RecordContent): Buffer {
  return Buffer.from(JSON.stringify({ version: RECORD_VERSION, ...content }), 'utf8');
}

/** The write that made this record; undefined for records of other origin. */
export function writeIdOf(payload: Buffer): string | undefined {
  const writeId = parse(payload)?.['writeId'];
  return typeof writeId === 'string' ? writeId : undefined;
}

/**
 * Undefined: damaged, or of a layout that this program does not know. Specs were validated by the
 * writer; only their being objects is looked at.
 */
export function decodeResource<Kind extends ResourceKind>(
  kind: Kind,
  name: string,
  message: StreamMessage,
): Resource<Kind> | undefined {
  const record = parse(message.payload);
  if (record?.['version'] !== RECORD_VERSION || !isJsonObject(record['spec'])) return undefined;
  const createdAtMs = record['createdAtMs'];
  return Object.freeze({
    kind,
    name,
    revision: message.sequence,
    createdAtMs: typeof createdAtMs === 'number' ? createdAtMs : message.storedAtMs,
    updatedAtMs: message.storedAtMs,
    spec: record['spec'] as unknown as SpecOf[Kind],
  });
}

function parse(payload: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
