/**
 * Resources of the registry — what a user declares, in Event Grid's own words.
 *
 * Shape: a stored resource is a name, a revision and a spec. Specs here are the normal form that
 *        `validateSpec` makes: defaults filled in, nothing unknown, so readers need no checks.
 *        The JSON of a spec is the JSON of the API's message (`proto/weir/v1`), field by field.
 * Fits:  webhook authentication, enrichments, further handlers are new fields or kinds; readers
 *        skip kinds that they do not know.
 */
import type { AttributeValue } from './directory.ts';
import type { JsonObject } from './spec-reader.ts';

/** Collection names, as in API paths. Order: what may refer to something comes after it. */
export const RESOURCE_KINDS = [
  'namespaceSettings',
  'caCertificates',
  'revocationLists',
  'jwtIssuers',
  'jwtKeySets',
  'clients',
  'clientGroups',
  'topicSpaces',
  'permissionBindings',
  'eventSubscriptions',
] as const;
export type ResourceKind = (typeof RESOURCE_KINDS)[number];

export const VALIDATION_SCHEMES = [
  'SubjectMatchesAuthenticationName',
  'DnsMatchesAuthenticationName',
  'UriMatchesAuthenticationName',
  'IpMatchesAuthenticationName',
  'EmailMatchesAuthenticationName',
  'ThumbprintMatch',
] as const;
export type ValidationScheme = (typeof VALIDATION_SCHEMES)[number];

export const CLIENT_STATES = ['Enabled', 'Disabled'] as const;
export type ClientState = (typeof CLIENT_STATES)[number];

export const PERMISSIONS = ['Publisher', 'Subscriber'] as const;
export type Permission = (typeof PERMISSIONS)[number];

export const EFFECTS = ['Allow', 'Deny'] as const;
export type Effect = (typeof EFFECTS)[number];

/** Fields of a certificate that can give the authentication name (event-grid §6.3). */
export const NAME_SOURCES = [
  'ClientCertificateSubject',
  'ClientCertificateCommonName',
  'ClientCertificateDns',
  'ClientCertificateUri',
  'ClientCertificateIp',
  'ClientCertificateEmail',
] as const;
export type NameSource = (typeof NAME_SOURCES)[number];

/** The one resource of kind `namespaceSettings`. */
export const NAMESPACE_SETTINGS_NAME = 'default';

/** The built-in group of all clients; cannot be created, changed or deleted. */
export const ALL_CLIENTS_GROUP = '$all';

export interface ClientSpec {
  readonly description: string;
  /** Fixed at creation; unique without regard to case; default: the resource name. */
  readonly authenticationName: string;
  readonly clientCertificateAuthentication: {
    readonly validationScheme: ValidationScheme;
    /** Primary, secondary: SHA-256 of the DER, 64 hex digits, upper case. Only ThumbprintMatch. */
    readonly allowedThumbprints: readonly string[];
  };
  readonly state: ClientState;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface NamespaceSettingsSpec {
  readonly description: string;
  /** Asked in this order when CONNECT has no user name; the first that is there counts. */
  readonly alternativeAuthenticationNameSources: readonly NameSource[];
}

export interface CaCertificateSpec {
  readonly description: string;
  /** PEM of one certificate that may sign others. */
  readonly encodedCertificate: string;
}

export interface RevocationListSpec {
  readonly description: string;
  /** Whose list it is. */
  readonly caCertificateName: string;
  /** PEM, or DER in base64. Its signature was checked when it was written. */
  readonly encodedList: string;
}

/** A public key of an issuer; `kid` empty: for tokens that name no key that is known by name. */
export interface IssuerKey {
  readonly kid: string;
  /** PEM of a public key or certificate. */
  readonly encodedKey: string;
}

export interface JwtIssuerSpec {
  readonly description: string;
  /** What the claim `iss` must be. Unique. */
  readonly tokenIssuer: string;
  /** A token must have at least one of them in `aud`. */
  readonly audiences: readonly string[];
  readonly keys: readonly IssuerKey[];
  /** Where control reads more keys; empty = nowhere. */
  readonly jwksUrl: string;
  readonly jwksRefreshSeconds: number;
}

/**
 * Keys that control has read for the issuer of the same name. Not in the API: nobody but control
 * writes it, so that gateways need no way out and all of them know the same keys.
 */
export interface JwtKeySetSpec {
  /** Where they come from; they count only as long as the issuer says the same. */
  readonly jwksUrl: string;
  /** JSON Web Keys, public ones that can sign. */
  readonly keys: readonly JsonObject[];
}

export interface ClientGroupSpec {
  readonly description: string;
  /** Event Grid's query language; see `group-query.ts`. */
  readonly query: string;
}

export interface TopicSpaceSpec {
  readonly description: string;
  readonly topicTemplates: readonly string[];
}

export interface PermissionBindingSpec {
  readonly description: string;
  readonly clientGroupName: string;
  readonly topicSpaceName: string;
  readonly permission: Permission;
  /** Records of before it was known lack it: they allow. */
  readonly effect?: Effect;
}

export interface EventSubscriptionSpec {
  readonly description: string;
  /** Messages whose topic matches one of them are delivered. At least one. */
  readonly topicFilters: readonly string[];
  readonly destination: { readonly webhook: { readonly endpointUrl: string } };
  /** Attempts for one event, the first included. */
  readonly deliveryAttemptsMax: number;
  /** Age at which an event is given up, seconds. */
  readonly eventTtlSeconds: number;
}

export interface SpecOf {
  readonly namespaceSettings: NamespaceSettingsSpec;
  readonly caCertificates: CaCertificateSpec;
  readonly revocationLists: RevocationListSpec;
  readonly jwtIssuers: JwtIssuerSpec;
  readonly jwtKeySets: JwtKeySetSpec;
  readonly clients: ClientSpec;
  readonly clientGroups: ClientGroupSpec;
  readonly topicSpaces: TopicSpaceSpec;
  readonly permissionBindings: PermissionBindingSpec;
  readonly eventSubscriptions: EventSubscriptionSpec;
}

/** A resource as stored. */
export interface Resource<Kind extends ResourceKind = ResourceKind> {
  readonly kind: Kind;
  readonly name: string;
  /** Sequence of the write in the registry's stream; the API's etag is its decimal text. */
  readonly revision: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly spec: SpecOf[Kind];
}
