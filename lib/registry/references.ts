/**
 * Rules between resources: references must lead somewhere, names of clients must be their own.
 */
import { parseCertificate } from './ca-certificate.ts';
import { parseRevocationList, signatureFault } from './revocation-list.ts';
import type { RegistryImage } from './registry-image.ts';
import { ALL_CLIENTS_GROUP } from './resources.ts';
import type {
  ClientSpec,
  JwtIssuerSpec,
  PermissionBindingSpec,
  Resource,
  ResourceKind,
  RevocationListSpec,
} from './resources.ts';
import type { SpecOf } from './resources.ts';
import type { FieldViolation } from './spec-reader.ts';

export interface ReferenceContext {
  readonly name: string;
  /** The resource as it stands; undefined when it is being created. */
  readonly before: Resource | undefined;
  readonly image: RegistryImage;
}

export function referenceViolations(
  kind: ResourceKind,
  spec: SpecOf[ResourceKind],
  context: ReferenceContext,
): FieldViolation[] {
  if (kind === 'clients') return clientViolations(spec as ClientSpec, context);
  if (kind === 'permissionBindings') {
    return bindingViolations(spec as PermissionBindingSpec, context.image);
  }
  if (kind === 'revocationLists') {
    return revocationViolations(spec as RevocationListSpec, context);
  }
  if (kind === 'jwtIssuers') return issuerViolations(spec as JwtIssuerSpec, context);
  return [];
}

/** Names of what would lose its reference, `kind/name`; at most IN_USE_NAMED_MAX. */
export function thingsInUse(kind: ResourceKind, name: string, image: RegistryImage): string[] {
  const users: string[] = [];
  if (kind === 'caCertificates') {
    for (const list of image.all('revocationLists')) {
      if (list.spec.caCertificateName === name) users.push(`revocationLists/${list.name}`);
      if (users.length >= IN_USE_NAMED_MAX) break;
    }
  }
  if (kind !== 'clientGroups' && kind !== 'topicSpaces') return users;
  const field = kind === 'clientGroups' ? 'clientGroupName' : 'topicSpaceName';
  for (const binding of image.all('permissionBindings')) {
    if (binding.spec[field] !== name) continue;
    users.push(`permissionBindings/${binding.name}`);
    if (users.length >= IN_USE_NAMED_MAX) break;
  }
  return users;
}

/** Users named in one fault; a person reads it. */
const IN_USE_NAMED_MAX = 5;

function clientViolations(spec: ClientSpec, context: ReferenceContext): FieldViolation[] {
  const { name, before, image } = context;
  const field = 'authenticationName';
  if (before !== undefined) {
    const standing = (before.spec as ClientSpec).authenticationName;
    if (standing === spec.authenticationName) return [];
    return [{ field, description: `cannot be changed; it is "${standing}"` }];
  }
  const other = image.clientByAuthenticationName(spec.authenticationName);
  if (other === undefined || other.name === name) return [];
  return [{ field, description: `is that of client "${other.name}" (case does not count)` }];
}

function issuerViolations(
  { tokenIssuer }: JwtIssuerSpec,
  { name, image }: ReferenceContext,
): FieldViolation[] {
  for (const other of image.all('jwtIssuers')) {
    if (other.name === name || other.spec.tokenIssuer !== tokenIssuer) continue;
    return [{ field: 'tokenIssuer', description: `is that of JWT issuer "${other.name}"` }];
  }
  return [];
}

function revocationViolations(
  { caCertificateName, encodedList }: RevocationListSpec,
  { before, image }: ReferenceContext,
): FieldViolation[] {
  const ca = image.get('caCertificates', caCertificateName);
  if (ca === undefined) {
    const description = `there is no CA certificate "${caCertificateName}"`;
    return [{ field: 'caCertificateName', description }];
  }
  const field = 'encodedList';
  const parsed = parseRevocationList(encodedList);
  const certificate = parseCertificate(ca.spec.encodedCertificate);
  if (!parsed.ok || certificate === undefined) return [];
  const fault = signatureFault(parsed.list, certificate);
  if (fault !== undefined) return [{ field, description: fault }];
  const standing =
    before?.kind === 'revocationLists' ? (before.spec as RevocationListSpec) : undefined;
  const older = standing === undefined ? undefined : parseRevocationList(standing.encodedList);
  const isSameCa = standing?.caCertificateName === caCertificateName;
  if (older?.ok !== true || !isSameCa || older.list.issuedAtMs <= parsed.list.issuedAtMs) return [];
  return [{ field, description: 'is older than the list that stands' }];
}

function bindingViolations(spec: PermissionBindingSpec, image: RegistryImage): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const { clientGroupName, topicSpaceName } = spec;
  if (
    clientGroupName !== ALL_CLIENTS_GROUP &&
    image.get('clientGroups', clientGroupName) === undefined
  ) {
    const description = `there is no client group "${clientGroupName}"`;
    violations.push({ field: 'clientGroupName', description });
  }
  if (image.get('topicSpaces', topicSpaceName) === undefined) {
    const description = `there is no topic space "${topicSpaceName}"`;
    violations.push({ field: 'topicSpaceName', description });
  }
  return violations;
}
