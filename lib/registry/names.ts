/**
 * Names of the registry in JetStream: one KV bucket, `registry`, one key per resource.
 *
 * Keys: `<kind>.<name>`; a resource name is one token, and what a token may not hold is written
 *       `=HH` (hex of the byte), so that every NATS tool can read the bucket and `.` never splits.
 */
import type { StreamConfig } from '#bus';
import { RESOURCE_KINDS } from './resources.ts';
import type { ResourceKind } from './resources.ts';

export const REGISTRY_STREAM = 'KV_registry';
export const REGISTRY_SUBJECTS = '$KV.registry.>';
const PREFIX = '$KV.registry.';

/** Record of partitions, replicas and layout version. */
export const CLUSTER_SETTINGS_SUBJECT = `${PREFIX}cluster.settings`;

/** De-duplication window, ms: repeats of an undecided write are spread over less than this. */
export const REGISTRY_DUPLICATE_WINDOW_MS = 120_000;

/** The registry's stream, as control creates it. Full (1 GiB) refuses writes, never drops. */
export function registryStreamConfig(replicas: number): StreamConfig {
  return {
    name: REGISTRY_STREAM,
    subjects: [REGISTRY_SUBJECTS],
    replicas,
    messagesPerSubjectMax: 1,
    bytesMax: 1024 * 1024 * 1024,
    duplicateWindowMs: REGISTRY_DUPLICATE_WINDOW_MS,
    allowDirect: true,
  };
}

export function resourceSubject(kind: ResourceKind, name: string): string {
  return `${PREFIX}${kind}.${encodeKey(name)}`;
}

/** Kind and name of a subject; undefined for records that are no resource, or of a later kind. */
export function resourceOfSubject(
  subject: string,
): { readonly kind: ResourceKind; readonly name: string } | undefined {
  const [kindText, key, ...rest] = subject.slice(PREFIX.length).split('.');
  if (key === undefined || rest.length > 0) return undefined;
  const kind = RESOURCE_KINDS.find((known) => known === kindText);
  return kind === undefined ? undefined : { kind, name: decodeKey(key) };
}

function encodeKey(name: string): string {
  let key = '';
  for (const byte of Buffer.from(name, 'utf8')) {
    const letter = String.fromCharCode(byte);
    const plain = /[A-Za-z0-9_-]/.test(letter);
    key += plain ? letter : `=${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }
  return key;
}

function decodeKey(key: string): string {
  return Buffer.from(
    key.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  ).toString('utf8');
}
