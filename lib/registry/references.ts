/**
 * Rules between resources: references must lead somewhere, names of clients must be their own.
 */
import type { RegistryImage } from './registry-image.ts';
import { ALL_CLIENTS_GROUP } from './resources.ts';
import type {
  ClientSpec,
  JwtIssuerSpec,
  PermissionBindingSpec,
  Resource,
  ResourceKind,
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
  if (kind === 'jwtIssuers') return issuerViolations(spec as JwtIssuerSpec, context);
  return [];
}

/** Names of what would lose its reference, `kind/name`; at most IN_USE_NAMED_MAX. */
export function thingsInUse(kind: ResourceKind, name: string, image: RegistryImage): string[] {
  const users: string[] = [];
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
