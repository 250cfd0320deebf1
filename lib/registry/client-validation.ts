/**
 * Validation of a client's spec: names, certificates, attributes (event-grid §5).
 */
import type { AttributeValue } from './directory.ts';
import * as limits from './limits.ts';
import { CLIENT_STATES, VALIDATION_SCHEMES } from './resources.ts';
import type { ClientSpec } from './resources.ts';
import { isJsonObject } from './spec-reader.ts';
import type { SpecReader } from './spec-reader.ts';

export function readClientSpec(spec: SpecReader, name: string): ClientSpec {
  const field = 'authenticationName';
  // An empty one is an absent one: protobuf cannot tell them apart.
  const authenticationName = spec.text(field, limits.CLIENT_NAME_LENGTH_MAX) || name;
  if (/\p{Cc}/u.test(authenticationName)) spec.refuse(field, 'must hold no control characters');
  return {
    description: spec.text('description', limits.DESCRIPTION_LENGTH_MAX) ?? '',
    authenticationName,
    clientCertificateAuthentication: readCertificateAuthentication(
      spec.object('clientCertificateAuthentication'),
    ),
    state: spec.choice('state', CLIENT_STATES) ?? 'Enabled',
    attributes: readAttributes(spec),
  };
}

function readCertificateAuthentication(
  spec: SpecReader,
): ClientSpec['clientCertificateAuthentication'] {
  const validationScheme =
    spec.choice('validationScheme', VALIDATION_SCHEMES) ?? 'SubjectMatchesAuthenticationName';
  const field = 'allowedThumbprints';
  const given = spec.texts(field, limits.THUMBPRINTS_MAX, 128);
  const allowedThumbprints = given.map((text) => text.replace(/[:\s]/g, '').toUpperCase());
  allowedThumbprints.forEach((thumbprint, index) => {
    if (/^[0-9A-F]{64}$/.test(thumbprint)) return;
    spec.refuse(`${field}[${index}]`, 'must be a SHA-256 fingerprint: 64 hex digits');
  });
  const byThumbprint = validationScheme === 'ThumbprintMatch';
  if (byThumbprint && !spec.has(field)) spec.refuse(field, 'is needed with ThumbprintMatch');
  else if (byThumbprint && given.length === 0) spec.refuse(field, 'must have 1 or 2 valid items');
  if (!byThumbprint && given.length > 0) spec.refuse(field, 'goes only with ThumbprintMatch');
  spec.end();
  return { validationScheme, allowedThumbprints };
}

function readAttributes(spec: SpecReader): ClientSpec['attributes'] {
  const value = spec.value('attributes') ?? {};
  if (!isJsonObject(value)) return spec.refuse('attributes', 'must be an object') ?? {};
  const attributes: [string, AttributeValue][] = [];
  for (const [key, attribute] of Object.entries(value)) {
    const field = `attributes.${key}`;
    if (!/^[A-Za-z0-9_]+$/.test(key) || key === '__proto__') {
      spec.refuse(field, 'has a name with other characters than letters, digits, _');
    } else if (isAttributeValue(attribute)) attributes.push([key, attribute]);
    else spec.refuse(field, 'must be a text, a whole number or a list of texts');
  }
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > limits.ATTRIBUTES_BYTES_MAX) {
    spec.refuse('attributes', `must have ≤ ${limits.ATTRIBUTES_BYTES_MAX} bytes, has ${bytes}`);
  }
  return Object.fromEntries(attributes);
}

function isAttributeValue(value: unknown): value is AttributeValue {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (!Array.isArray(value)) return false;
  return value.every((item: unknown) => typeof item === 'string' && item.isWellFormed());
}
