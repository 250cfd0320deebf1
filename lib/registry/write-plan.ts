/**
 * Write plans — what one request would write, worked out against one image of the registry.
 *
 * Pure: the same request and image give the same plan or the same fault. The store writes a plan
 * only if the registry has not moved since that image, so what is checked here across resources
 * (unique names, references both ways) holds without locks.
 */
import { referenceViolations, thingsInUse } from './references.ts';
import { RegistryFault } from './registry-fault.ts';
import type { RegistryImage } from './registry-image.ts';
import type { Resource, ResourceKind, SpecOf } from './resources.ts';
import { isJsonObject } from './spec-reader.ts';
import { nameFault, validateSpec } from './validation.ts';

export interface WriteRequest {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly action: 'create' | 'update' | 'delete';
  /** The spec as JSON of the API; unused for `delete`. */
  readonly spec?: unknown;
  /** Revision that must stand; empty or absent = any. Not for `create`. */
  readonly etag?: string;
}

export type WritePlan =
  | { readonly kind: 'put'; readonly spec: SpecOf[ResourceKind]; readonly createdAtMs?: number }
  | { readonly kind: 'delete' }
  /** What is stored is what is asked for. */
  | { readonly kind: 'nothing'; readonly resource: Resource };

/** Throws RegistryFault. */
export function planWrite(request: WriteRequest, image: RegistryImage): WritePlan {
  const { kind, name, action, etag = '' } = request;
  const before: Resource | undefined = image.get(kind, name);
  if (action === 'create') {
    const spec = validSpec(request, undefined, image);
    if (before === undefined) return { kind: 'put', spec };
    throw new RegistryFault('already_exists', `${kind}/${name} exists`);
  }
  const fault = nameFault(kind, name);
  if (fault !== undefined) throw invalid([{ field: 'name', description: fault }]);
  if (before === undefined) throw new RegistryFault('not_found', `${kind}/${name} does not exist`);
  if (etag !== '' && etag !== String(before.revision)) {
    const says = `${kind}/${name} has etag ${before.revision}, not ${etag}: read it again`;
    throw new RegistryFault('stale_etag', says);
  }
  if (action === 'delete') {
    const users = thingsInUse(kind, name, image);
    if (users.length === 0) return { kind: 'delete' };
    throw new RegistryFault('in_use', `${kind}/${name} is used by ${users.join(', ')}`);
  }
  const spec = validSpec(request, before, image);
  if (JSON.stringify(spec) === JSON.stringify(before.spec)) {
    return { kind: 'nothing', resource: before };
  }
  return { kind: 'put', spec, createdAtMs: before.createdAtMs };
}

function validSpec(
  request: WriteRequest,
  before: Resource | undefined,
  image: RegistryImage,
): SpecOf[ResourceKind] {
  const { kind, name } = request;
  const validated = validateSpec(kind, name, specToValidate(request.spec ?? {}, before));
  if (!validated.ok) throw invalid(validated.violations);
  const violations = referenceViolations(kind, validated.spec, { name, before, image });
  if (violations.length > 0) throw invalid(violations);
  return validated.spec;
}

/** An update that says nothing about what cannot be changed leaves it alone. */
function specToValidate(spec: unknown, before: Resource | undefined): unknown {
  if (before?.kind !== 'clients' || !isJsonObject(spec)) return spec;
  const given = spec['authenticationName'] ?? '';
  if (given !== '') return spec;
  return { ...spec, authenticationName: (before as Resource<'clients'>).spec.authenticationName };
}

function invalid(violations: RegistryFault['violations']): RegistryFault {
  const [first] = violations;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : '';
  const says = first === undefined ? '' : `${first.field}: ${first.description}${more}`;
  return new RegistryFault('invalid', says, violations);
}
