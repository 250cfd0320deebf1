/**
 * Resources in the JSON of the API: the spec's fields beside name, etag and times.
 */
import { X509Certificate } from 'node:crypto';
import { isJsonObject, parseRevocationList } from '#registry';
import type { CaCertificateSpec, Resource, RevocationListSpec } from '#registry';
import { fieldFault } from './api-fault.ts';

export type JsonRecord = Record<string, unknown>;

/** Fields that the registry sets; what a request says in them is not looked at. */
const OUTPUT_FIELDS = [
  'createTime',
  'updateTime',
  'issueTime',
  'expiryTime',
  'nextUpdateTime',
  'revokedCount',
] as const;

export interface ResourceRequest {
  readonly name: string;
  readonly etag: string;
  readonly spec: JsonRecord;
}

export function resourceToJson(resource: Resource): JsonRecord {
  const json: JsonRecord = {
    name: resource.name,
    etag: String(resource.revision),
    createTime: timeText(resource.createdAtMs),
    updateTime: timeText(resource.updatedAtMs),
    ...resource.spec,
  };
  if (resource.kind === 'revocationLists') {
    return { ...json, ...listFields(resource.spec as RevocationListSpec) };
  }
  if (resource.kind !== 'caCertificates') return json;
  const { encodedCertificate } = resource.spec as CaCertificateSpec;
  const certificate = new X509Certificate(encodedCertificate);
  json['issueTime'] = timeText(certificate.validFromDate.getTime());
  json['expiryTime'] = timeText(certificate.validToDate.getTime());
  return json;
}

function listFields({ encodedList }: RevocationListSpec): JsonRecord {
  const parsed = parseRevocationList(encodedList);
  if (!parsed.ok) return {};
  const { issuedAtMs, nextUpdateMs, serialNumbers } = parsed.list;
  return {
    issueTime: timeText(issuedAtMs),
    ...(nextUpdateMs !== undefined && { nextUpdateTime: timeText(nextUpdateMs) }),
    revokedCount: serialNumbers.size,
  };
}

/** Takes a resource of a request apart. Throws ApiFault. */
export function resourceFromJson(field: string, value: unknown): ResourceRequest {
  if (!isJsonObject(value)) throw fieldFault(field, 'must be an object');
  const { name = '', etag = '', ...others } = value;
  const spec: JsonRecord = others;
  for (const output of OUTPUT_FIELDS) delete spec[output];
  return { name: textField('name', name), etag: textField('etag', etag), spec };
}

export function textField(field: string, value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  throw fieldFault(field, 'must be a text');
}

function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
