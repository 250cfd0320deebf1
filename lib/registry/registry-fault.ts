/**
 * Registry faults — why a request to the registry was not done. The control API maps each code to
 * one gRPC and one HTTP status.
 */
import type { FieldViolation } from './spec-reader.ts';

export const REGISTRY_FAULTS = {
  /** The request is wrong in itself; `violations` name the fields. */
  invalid: 'request is invalid',
  not_found: 'no such resource',
  already_exists: 'a resource of this name exists',
  /** The etag is not that of the stored revision: read, merge, try again. */
  stale_etag: 'the resource was changed meanwhile',
  /** Other resources refer to it. */
  in_use: 'the resource is in use',
  /** More writes wait than the limit. */
  busy: 'too many writes wait',
  /** The registry's stream is full. */
  full: 'the registry is full',
  /** NATS is away, or did not decide in time: the write may or may not have happened. */
  unavailable: 'the registry cannot be reached',
} as const;

export type RegistryFaultCode = keyof typeof REGISTRY_FAULTS;

export class RegistryFault extends Error {
  readonly code: RegistryFaultCode;
  readonly violations: readonly FieldViolation[];

  constructor(
    code: RegistryFaultCode,
    message: string,
    violations: readonly FieldViolation[] = [],
  ) {
    super(message);
    this.name = 'RegistryFault';
    this.code = code;
    this.violations = violations;
  }
}
