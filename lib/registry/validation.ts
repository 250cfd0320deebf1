/**
 * Validation — from untrusted JSON to the normal form of a spec, or every fault with its field.
 *
 * Rules: event-grid §1 (names), §5–§9, §14. References between resources are the store's matter,
 *        for they need the rest of the registry.
 * Absent and `null` mean the default; a field that nobody knows is a fault, so that a typing error
 * is never silently a weaker rule.
 */
import { isSharedFilter, isTopicFilter, compileTemplate } from '#topics';
import { caCertificateFault } from './ca-certificate.ts';
import { parseGroupQuery, QUERY_LENGTH_MAX } from './group-query.ts';
import * as limits from './limits.ts';
import {
  ALL_CLIENTS_GROUP,
  EFFECTS,
  NAME_SOURCES,
  NAMESPACE_SETTINGS_NAME,
  PERMISSIONS,
} from './resources.ts';
import type { ResourceKind, SpecOf } from './resources.ts';
import type * as resources from './resources.ts';
import { parseRevocationList } from './revocation-list.ts';
import { SpecReader } from './spec-reader.ts';
import type { FieldViolation } from './spec-reader.ts';
import { readClientSpec } from './client-validation.ts';
import { endpointFault, readJwtIssuer, readJwtKeySet } from './token-validation.ts';

export type ValidatedSpec<Kind extends ResourceKind> =
  | { readonly ok: true; readonly spec: SpecOf[Kind] }
  | { readonly ok: false; readonly violations: readonly FieldViolation[] };

type SpecReaders = { [Kind in ResourceKind]: (spec: SpecReader, name: string) => SpecOf[Kind] };

const READERS: SpecReaders = {
  namespaceSettings: readNamespaceSettings,
  caCertificates: readCaCertificate,
  revocationLists: readRevocationList,
  jwtIssuers: readJwtIssuer,
  jwtKeySets: readJwtKeySet,
  clients: readClientSpec,
  clientGroups: readClientGroup,
  topicSpaces: readTopicSpace,
  permissionBindings: readPermissionBinding,
  eventSubscriptions: readEventSubscription,
};

/** `json` is the spec alone: without name, etag and times. Violations cover the name, too. */
export function validateSpec<Kind extends ResourceKind>(
  kind: Kind,
  name: string,
  json: unknown,
): ValidatedSpec<Kind> {
  const reader = new SpecReader(json);
  const fault = nameFault(kind, name);
  if (fault !== undefined) reader.refuse('name', fault);
  const spec = READERS[kind](reader, name);
  reader.end();
  const { violations } = reader;
  return violations.length > 0 ? { ok: false, violations } : { ok: true, spec };
}

/** What is wrong with a resource's name, as the end of the sentence "name …". */
export function nameFault(kind: ResourceKind, name: string): string | undefined {
  if (kind === 'clients') {
    if (/^[A-Za-z0-9\-:._]{1,128}$/.test(name)) return undefined;
    return 'must have 1–128 characters: letters, digits, - : . _';
  }
  if (kind === 'namespaceSettings') {
    return name === NAMESPACE_SETTINGS_NAME ? undefined : `must be "${NAMESPACE_SETTINGS_NAME}"`;
  }
  if (kind === 'clientGroups' && name === ALL_CLIENTS_GROUP) return 'is the built-in group';
  if (/^[A-Za-z0-9-]{3,50}$/.test(name)) return undefined;
  return 'must have 3–50 characters: letters, digits, -';
}

function readDescription(spec: SpecReader): string {
  return spec.text('description', limits.DESCRIPTION_LENGTH_MAX) ?? '';
}

function readNamespaceSettings(spec: SpecReader): resources.NamespaceSettingsSpec {
  const field = 'alternativeAuthenticationNameSources';
  const given = spec.texts(field, NAME_SOURCES.length, 64);
  const sources: resources.NameSource[] = [];
  given.forEach((text, index) => {
    const source = NAME_SOURCES.find((known) => known === text);
    const at = `${field}[${index}]`;
    if (source === undefined) spec.refuse(at, `must be one of ${NAME_SOURCES.join(', ')}`);
    else if (sources.includes(source)) spec.refuse(at, 'stands in the list before');
    else sources.push(source);
  });
  return {
    description: readDescription(spec),
    alternativeAuthenticationNameSources: sources,
  };
}

function readCaCertificate(spec: SpecReader): resources.CaCertificateSpec {
  const field = 'encodedCertificate';
  const encodedCertificate = spec.text(field, limits.CERTIFICATE_LENGTH_MAX) ?? '';
  const fault = caCertificateFault(encodedCertificate);
  if (fault !== undefined) spec.refuse(field, fault);
  return { description: readDescription(spec), encodedCertificate };
}

function readRevocationList(spec: SpecReader): resources.RevocationListSpec {
  const field = 'encodedList';
  const encodedList = spec.text(field, limits.REVOCATION_LIST_LENGTH_MAX) ?? '';
  const parsed = parseRevocationList(encodedList);
  if (!parsed.ok) spec.refuse(field, parsed.why);
  const caCertificateName = readReference(spec, 'caCertificateName');
  return { description: readDescription(spec), caCertificateName, encodedList };
}

function readClientGroup(spec: SpecReader): resources.ClientGroupSpec {
  const query = spec.text('query', QUERY_LENGTH_MAX) ?? '';
  const parsed = parseGroupQuery(query);
  if (!parsed.ok) spec.refuse('query', parsed.why);
  return { description: readDescription(spec), query };
}

function readTopicSpace(spec: SpecReader): resources.TopicSpaceSpec {
  const field = 'topicTemplates';
  const topicTemplates = spec.texts(field, limits.TOPIC_TEMPLATES_MAX, limits.TEMPLATE_LENGTH_MAX);
  if (topicTemplates.length === 0) spec.refuse(field, 'must have at least one template');
  topicTemplates.forEach((template, index) => {
    const compiled = compileTemplate(template);
    if (!compiled.ok) spec.refuse(`${field}[${index}]`, compiled.why);
  });
  return { description: readDescription(spec), topicTemplates };
}

function readPermissionBinding(spec: SpecReader): resources.PermissionBindingSpec {
  const clientGroupName = readReference(spec, 'clientGroupName');
  const topicSpaceName = readReference(spec, 'topicSpaceName');
  const permission = spec.choice('permission', PERMISSIONS);
  if (permission === undefined && !spec.has('permission')) {
    spec.refuse('permission', `must be one of ${PERMISSIONS.join(', ')}`);
  }
  const description = readDescription(spec);
  // Text fields of protobuf that are left out are empty.
  const effect = spec.value('effect') === '' ? undefined : spec.choice('effect', EFFECTS);
  return {
    ...{ description, clientGroupName, topicSpaceName, permission: permission ?? 'Subscriber' },
    effect: effect ?? 'Allow',
  };
}

function readReference(spec: SpecReader, field: string): string {
  const name = spec.text(field, limits.CLIENT_NAME_LENGTH_MAX) ?? '';
  if (name === '') spec.refuse(field, 'must name a resource');
  return name;
}

function readEventSubscription(spec: SpecReader): resources.EventSubscriptionSpec {
  const field = 'topicFilters';
  const topicFilters = spec.texts(field, limits.TOPIC_FILTERS_MAX, limits.TEMPLATE_LENGTH_MAX);
  if (topicFilters.length === 0) spec.refuse(field, 'must have at least one filter');
  topicFilters.forEach((filter, index) => {
    const at = `${field}[${index}]`;
    if (isSharedFilter(filter)) spec.refuse(at, 'must not be a shared subscription');
    else if (!isTopicFilter(filter)) spec.refuse(at, 'must be a topic filter');
    else if (filter.startsWith('$')) spec.refuse(at, 'topics that begin with $ are reserved');
  });
  const attempts = limits.DELIVERY_ATTEMPTS;
  const ttl = limits.EVENT_TTL_SECONDS;
  return {
    description: readDescription(spec),
    topicFilters,
    destination: readDestination(spec.object('destination')),
    deliveryAttemptsMax:
      spec.integer('deliveryAttemptsMax', attempts.min, attempts.max) ?? attempts.default,
    eventTtlSeconds: spec.integer('eventTtlSeconds', ttl.min, ttl.max) ?? ttl.default,
  };
}

function readDestination(spec: SpecReader): resources.EventSubscriptionSpec['destination'] {
  const webhook = spec.object('webhook');
  const field = 'endpointUrl';
  const endpointUrl = webhook.text(field, limits.ENDPOINT_LENGTH_MAX) ?? '';
  const fault = endpointFault(endpointUrl);
  if (fault !== undefined) webhook.refuse(field, fault);
  webhook.end();
  spec.end();
  return { webhook: { endpointUrl } };
}
